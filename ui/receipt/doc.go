// Package receipt renders the slip (签购单) of a payment from its journal record.
//
// Three words to know:
//
//   - a [Slip] is a list of lines with a size and a place each; cmd/posd turns them
//     into the printer's, and [Slip.Text] into 32 columns of plain text;
//   - a copy (payment.Copy) is the merchant's, the cardholder's, or a reprint;
//   - a [Merchant] is what the record does not know: name and hotline, and whether the
//     keys are test keys.
//
// The slip is made from the record alone: what is printed today and what is printed
// again in a year is the same, but for the reprint mark. In Chinese every label comes
// with its English name, as on the slips of the trade; in English without the Chinese.
//
// What it does not do: it prints nothing, and shows no card number but the masked one.
// A payment that did not happen never looks like a voucher: a decline, a reversal and
// an open debt each say so in large letters.
//
// Layout: the UnionPay POS sales slip for 58 mm paper, 32 columns. Labels of the chip
// data are those of such slips: ARQC or TC, TVR, AID, TSI, ATC, APP LABEL, UNPR NUM, CSN.
package receipt
