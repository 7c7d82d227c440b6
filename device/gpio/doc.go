// Package gpio has the digital lines of a terminal, as pins of periph.io's conn/v3/gpio.
//
// Three words to know:
//
//   - a [Line] is a pin of a Linux GPIO chip, over its character device (uAPI v2, Linux
//     5.10 and later); [Open] takes it, and until In or Out it is left as it was;
//   - a [Memory] is a pin with no hardware, for tests and simulators: Drive is the world
//     outside, Out is the terminal;
//   - a role is what a pin is for: [Reset], [Power], [CardDetect], [Tamper], [Light],
//     [Buzzer]. Roles take any pin of periph.io, and know which level is the active one.
//
// Out on a line that was an input sets direction and level in one request to the
// kernel, so that a reset line does not glitch; Read of an output does not make an input
// of it; WaitForEdge(-1) waits. (periph.io's own host driver, v3.8.5, does otherwise in
// all three, and initialising it takes time and memory: it is not used.) Debounce is the
// kernel's. A configuration names a line as CHIP/OFFSET, see [ParseSpec].
//
// A [Tamper] only tells; what is on disk when it does is package store/tamper. Lights in
// the order of the contactless indications are package indicator, keys are package keypad.
// Not here: PWM, buses, chips by board name.
package gpio
