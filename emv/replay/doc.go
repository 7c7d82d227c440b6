// Package replay runs the kernel on card sessions that some other terminal had, and says
// where the two differ.
//
// Three words to know:
//
//   - a case is a recorded session or a CVM case (package vector reads them from files);
//   - a [Report] is the verdict on one: equal, or the first difference (phase, field,
//     what the recording wants, what the kernel did), or review where those who recorded
//     it could not decide themselves;
//   - an [Event] is what the session did at one moment: a command with its answer, or the
//     end of a phase with why each bit was set. [Play] tells them to whoever listens.
//
// # What is compared
//
// Phase by phase: the commands sent, TVR and TSI at its end, and how it ended; then what
// the signatures gave (expect.recovered). A session is played as far as its recording
// goes. What a recording decided by means that it does not hold, such as a merchant's
// limits or a cardholder's PIN, is taken from it.
//
// One bit is not compared: TSI "card risk management was performed". The kernels of the
// recordings never set it, those in the field do, and so does this one.
//
// A verdict on the recording corrects it. It gives the TVR and TSI of the end; in the
// phases before, from data authentication on, the bits in which the two differ are left
// out, and so are they in the data of GENERATE AC, which carry the TVR. Where the verdict
// is about DDA, INTERNAL AUTHENTICATE may be sent or not, and where it is about CDA so may
// the bit of GENERATE AC that asks for it.
//
// A log of APDUs is compared with itself: the kernel must send each of its commands, in
// its order, to the last.
//
// # Parameters of a log
//
// A log needs the terminal that it was made by. Its parameter file is a scenario without
// the card; all but terminal may be missing:
//
//	{
//	  "id": "a name",
//	  "terminal": {
//	    "config": {"9F33": "E0F8C8", "9F35": "22", "9F40": "F000F0A001", "9F1A": "0156",
//	               "9F09": "0020", "9F1B": "00002710", "9F49": "9F3704"},
//	    "params": {"9A": "260801", "9F21": "101112", "9C": "00", "9F02": "000000001234",
//	               "9F03": "000000000000", "5F2A": "0156", "9F41": "00000007"},
//	    "apps": [{"aid": "A000000333010101", "match": "partial"}],
//	    "unpredictable_number": "A1B2C3D4",
//	    "genac1_type": "80", "genac2_type": "40",
//	    "online": {"arc": "3030", "91": "0102030405060708", "71": "…", "72": "…"}
//	  },
//	  "capks": [{"rid": "…", "index": "01", "modulus": "…", "exponent": "03", "sha1": "…"}],
//	  "outcomes": "01=S,02=B",
//	  "expect": {"steps": [], "recovered": {}, "outcome": "approved"}
//	}
//
// config and params are data objects by tag. 9F34 among params leaves cardholder
// verification out and takes its results from there; outcomes says what became of PIN
// methods (S success, F wrong, B bypassed, P no pad, L try limit), and then the card is
// not asked either. Without both, the PIN of a VERIFY is taken from the log, and a log that
// masks it still fits. genac1_type and genac2_type force what is asked for; without them
// the kernel decides. Without online the issuer cannot be asked.
//
// What it does not do: it reads no file and prints nothing (posctl emv replay does).
//
// Specification: EMV 4.4, as package kernel.
package replay
