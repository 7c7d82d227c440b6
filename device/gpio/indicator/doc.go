// Package indicator shows what a contactless reader is doing, by four lights in a row and a
// beeper, as EMV asks for.
//
// Three words to know:
//
//   - an [Indication] is what is to be shown: [Idle], [Ready], [CardRead] …;
//   - a [Pattern] is an indication as data: steps of lights, tone and time, played once or
//     over and over. [EMV] has those of the specification, and a terminal may have others;
//   - the [Panel] plays one pattern at a time: [Panel.Show] says which, [Panel.Run] plays.
//
// Between the end of CardRead and the next Show all lights are off. A [gpio.Buzzer] on a
// plain line has one tone of its own: then success and alert differ by their rhythm alone,
// and the frequencies want a beeper that can choose.
//
// Not here: what the screen says (the messages are in ui/text), and when to show what
// (payment). EMV Contactless Book A, user interface: visual and audio indications.
//
// What of [EMV] is confirmed by public pages that follow the book: the first light blinks
// when idle and is on without a break when a card may come; all four are on when the card has
// been read, and a beep says that it may be taken away (Adyen, "the 4 circles"; MagTek
// DynaFlex, LED 1). NOT verified, for the book itself was not at hand: each of the numbers,
// that is 1500 Hz for 500 ms, 750 Hz twice 200 ms, 200 ms in 5 s, the steps of 125 ms and how
// long all four stay. Compare them with the book before an approval; a [Pattern] is data.
package indicator
