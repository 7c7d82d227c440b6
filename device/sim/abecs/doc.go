// Package abecs is the far end of package device/pinpad/abecs: a Brazilian PIN pad with a chip
// slot, an antenna, a keypad and a display, that speaks the Abecs protocol over a
// pseudo-terminal or net.Pipe.
//
// Three words to know:
//
//   - a [Card] is what is put into the slot ([Pad.Insert]) or held to the antenna ([Pad.Tap]):
//     any that exchanges APDUs, as a card of package device/sim/card does;
//   - the cardholder presses its keys: [Pad.Press], or [Config.Cardholder], a function that is
//     asked when a PIN entry begins;
//   - a [Fault] is misbehaviour on request.
//
// Keys come from [Config.MasterKeys] and [Pad.Inject], as from a factory. It knows OPN (plain
// and secure), GIN, CLO, DSP, CEX, CHP, GPN and RMC, aborts by CAN what waits for somebody,
// and refuses the third GENERATE AC of one insertion. It does not do: magnetic stripes, SAMs,
// verification of a PIN by the card (CHP operation 3), EMV tables and kernels, images.
//
// This process has clear PIN digits; it has no log. It shares no code with the driver: a
// simulator that shares code shares its bugs. What they share (PIN blocks, DUKPT) is pinned by
// published vectors.
//
// Specification: Abecs, "Protocolo de Comunicação e Funcionamento", 2.20.
package abecs
