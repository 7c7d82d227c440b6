// Package tlv is the BER-TLV codec of EMV: strict, bounded, without allocation.
//
// Three words to know:
//
//   - an [Object] is a tag and a value that aliases the input;
//   - a [Template] is a constructed object, whose value is again a list of objects;
//   - a [DOL] is an ordered list of tags and lengths that says which values the
//     card wants, without the values.
//
// The codec does not know what a tag means (package tag does), keeps nothing, and
// refuses what EMV 4.4 Book 3, Annex B does not allow: indefinite lengths, lengths
// of more than two bytes, tags of more than three, objects that overrun their
// template, and nesting below [MaxDepth].
package tlv
