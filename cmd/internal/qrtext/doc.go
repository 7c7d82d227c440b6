// Package qrtext shows a QR code on a text terminal, for commands of both sides of an
// enrolment.
//
// Two words to know: a point is one square of the code; a half block is the character that
// shows two points, one above the other, so that points come out square. Dark points are
// spaces and light ones are blocks: a terminal writes light on dark. It makes no codes
// (package rsc.io/qr does, ISO/IEC 18004) and reads none.
package qrtext
