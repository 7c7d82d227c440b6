// Package payment owns a payment from the order to the receipt.
package payment
