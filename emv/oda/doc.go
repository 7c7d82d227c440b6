// Package oda is offline data authentication: EMV 4.4 Book 2.
package oda
