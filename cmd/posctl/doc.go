// Command posctl looks into a running posd and operates it: for technicians, scripts
// and developers, on the terminal itself.
//
//	posctl status [-o json]          is it ready, and if not, what to do
//	posctl pay AMOUNT                take a payment
//	posctl journal [-n 20] [-o json] the last payments
//	posctl receipt ID                the slip of one, as text
//	posctl keys list | load BLOCK|-  key check values; load a master key
//	posctl resolve ID --reason …     end an owed reversal by an operator's word
//	posctl diag                      the diagnostic screen
//	posctl emv decode HEX|-          what EMV bytes mean, in words
//	posctl emv replay FILE…          the kernel on recorded card sessions
//	posctl sim KIND --link PATH      one simulated device on a pseudo-terminal
//	posctl apdu --reader URL HEX…    commands to a card, through a driver, in words
//	posctl device list | test URL    the drivers; try a device out
//	posctl man DIR                   manual pages; posctl completion SHELL
//
// Exit status: 0 done (payment approved), 1 error, 2 wrong usage, 3 payment declined,
// 4 payment cancelled, terminated or card not accepted.
//
// It speaks to posd over the control socket (package transport/control), and Chinese
// or English as LC_ALL, LC_MESSAGES, LANG or --lang say. Only apdu and device open
// devices, by the agent's own table of drivers, and only those that posd has not open;
// sim is the other end of their cables. What it does not do: it opens no store and no
// network.
package main
