// Package kernel is the contact kernel of EMV 4.4.
package kernel
