// Package tui is the diagnostic screen of posctl: one look tells whether the terminal
// takes payments, and if not, what to do.
//
// Three words to know:
//
//   - the [Model] is all there is to know, changed by Update alone and shown by View
//     alone: neither does I/O, so both are tested as functions;
//   - a section is one subject (findings, link, devices, keys, store, owed reversals,
//     last payments) as lines; it does not know where it is on the screen;
//   - the layout puts all sections on a screen of 72x20 and more, and one at a time on
//     a smaller one, from 40 columns.
//
// The agent is asked every second through a [Source] (a control.Client). An agent that
// does not answer leaves the last picture, marked as old.
//
// It draws with ASCII and CJK only: box-drawing characters and arrows are two columns
// wide on some terminals of the Chinese locale and one on others.
//
// What it does not do: it changes nothing in the agent. Payments and keys are the
// business of posctl's commands.
package tui
