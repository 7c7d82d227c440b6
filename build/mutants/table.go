package main

// mutant is a fault to plant: an exact text of a file, which stands there once, and what
// replaces it.
type mutant struct {
	name, file, old, new string
}

const (
	kernel = "emv/kernel/"
	cvm    = "emv/cvm/"
	oda    = "emv/oda/"
	batch  = "emv/payment/batch/"
)

// table are the faults, in the order of a session.
var table = []mutant{
	// Selection.
	{"blocked application is a candidate", kernel + "selection.go", "case resp.SW == apdu.OK:\n\t\t\ts.listed.add", "case true:\n\t\t\ts.listed.add"},
	{"SELECT next after the very name", kernel + "selection.go", "\t\tif exact {\n", "\t\tif exact && !app.Partial {\n"},
	{"priority 0 comes first", kernel + "selection.go", "return 16", "return 0"},
	{"consent is not asked", kernel + "selection.go", "len(list) == 1 && !list[0].NeedsConsent", "len(list) == 1"},
	{"DF name of the final SELECT is not compared", kernel + "selection.go", "resp.SW != apdu.OK || err != nil || !bytes.Equal(f.name, c.AID)", "resp.SW != apdu.OK || err != nil"},
	{"a blocked card may use the stripe", kernel + "selection.go", "if s.listed.blocked {\n\t\treturn s.end(emv.NotAccepted", "if false {\n\t\treturn s.end(emv.NotAccepted"},
	{"PSE with an SFI of 11 to 30", kernel + "directory.go", "sfi[0] > 10", "sfi[0] > 30"},
	{"broken directory record is skipped", kernel + "directory.go", "s.admit(&found, e, directory) }); err != nil {\n\t\t\treturn nil, nil\n", "s.admit(&found, e, directory) }); err != nil {\n\t\t\tcontinue\n"},
	{"chip card is swiped though its chip works", kernel + "fallback.go", "|| !track.HasChip():", "|| track.HasChip():"},

	// Profile, records, data objects.
	{"an application that was left stays chosen", kernel + "initiate.go", "s.chosen = choice{}\n", ""},
	{"AFL counts more signed records than it names", kernel + "initiate.go", " || l.signed > l.last-l.first+1", ""},
	{"last record of an AFL entry is not read", kernel + "read.go", "n <= l.last", "n < l.last"},
	{"record counter is a byte", kernel + "read.go", "for n := l.first; n <= l.last; n++ {", "for m := byte(l.first); m <= byte(l.last); m++ {\n\t\t\tn := int(m)"},
	{"same object twice is taken", kernel + "read.go", "return broken(nil, \"tag %v twice\", obj.Tag)", "s.objects.put(obj)"},
	{"CDOL2 is not mandatory", kernel + "read.go", "tag.CDOL1, tag.CDOL2}", "tag.CDOL1}"},
	{"static data of file 11 without its template", kernel + "read.go", "case sfi <= 10:", "case sfi <= 30:"},
	{"unsigned records are static data", kernel + "read.go", "if n < l.first+l.signed {", "if n <= l.first+l.signed {"},
	{"card may speak for the terminal", kernel + "objects.go", "!known || info.Source == tag.ICC && info.Templates.Has(template)", "!known || info.Templates.Has(template) || true"},
	{"card's objects come before the terminal's", kernel + "values.go", "if v, ok := s.cfg.Data[t]; ok {\n\t\treturn v", "if v, ok := s.cfg.Data[t]; ok && s.objects.get(t) == nil {\n\t\treturn v"},
	{"numbers are cut on the right", kernel + "objects.go", "append(dst, value[-short:]...)", "append(dst, value[:length]...)"},
	{"cn is padded with zeros", kernel + "objects.go", "[]byte{0xFF}, short", "[]byte{0x00}, short"},
	{"unknown tags of a DOL come from the card", kernel + "objects.go", "!known && !own {", "!known && !own && false {"},
	{"default TDOL without its TVR bit", kernel + "values.go", "s.tvr |= emv.DefaultTDOLUsed", "_ = emv.DefaultTDOLUsed"},

	// Data authentication.
	{"DDA is preferred to CDA", kernel + "authenticate.go", "case aip&emv.CDASupported != 0 && capabilities&canCDA != 0:", "case aip&emv.CDASupported != 0 && capabilities&canCDA != 0 && aip&emv.DDASupported == 0:"},
	{"missing SSAD is not missing data", kernel + "authenticate.go", "tag.IssuerPublicKeyExponent, tag.SSAD}", "tag.IssuerPublicKeyExponent}"},
	{"CDA asked for though its keys failed", kernel + "action.go", "wantCDA := s.auth.method == cda && s.auth.icc != nil", "wantCDA := s.auth.method == cda"},
	{"DDOL without unpredictable number", kernel + "authenticate.go", "if !ddol.Has(tag.UnpredictableNumber) {", "if false {"},
	{"tag list 9F4A with any tag", kernel + "authenticate.go", "case !bytes.Equal(list, []byte{byte(tag.AIP)}):", "case !bytes.HasPrefix(list, []byte{byte(tag.AIP)}):"},
	{"TSI not set where authentication failed", kernel + "authenticate.go", "if err != nil || s.auth.method != cda {\n\t\ts.tsi", "if err == nil && s.auth.method != cda {\n\t\ts.tsi"},
	{"INTERNAL AUTHENTICATE that is refused is a failed DDA", kernel + "authenticate.go", "return broken(resp.SW, \"INTERNAL AUTHENTICATE\")", "return doubt(resp.SW)"},
	{"certificate trailer is not looked at", oda + "certificate.go", "case message[len(message)-1] != trailer:", "case false:"},
	{"hash without the exponent", oda + "certificate.go", "if !hashed(message, remainder, exponent, static) {", "if !hashed(message, remainder, static) {"},
	{"certificate is good for a month too long", oda + "certificate.go", "if until < now {", "if until+1 < now {"},
	{"years from 50 are 20YY", oda + "certificate.go", "if yy >= 0x50 {", "if yy >= 0x99 {"},
	{"revoked certificates of every index", oda + "certificate.go", "r.RID == ca.RID && r.Index == ca.Index && r.Serial", "r.RID == ca.RID && r.Serial"},
	{"issuer identifier of two digits", oda + "certificate.go", "return n >= 3 && padded(id, n)", "return n >= 2 && padded(id, n)"},
	{"PAN of the certificate may be longer", oda + "certificate.go", "len(digits) > 0 && padded(subject, len(digits))", "len(digits) > 0"},
	{"remainder may be too long", oda + "certificate.go", "len(c.remainder) != max(0, n-len(part))", "len(c.remainder) < max(0, n-len(part))"},
	{"dynamic number of one byte", oda + "signature.go", "n < 2 || n > 8", "n < 1 || n > 8"},
	{"transaction hash is not compared", oda + "signature.go", "!bytes.Equal(sum[:], rest[9:9+sha1.Size])", "false && !bytes.Equal(sum[:], rest[9:9+sha1.Size])"},
	{"CA keys do not expire", oda + "ca.go", "day(on) > day(k.Expires)", "false"},

	// Restrictions.
	{"expiry day itself is expired", kernel + "restrictions.go", "if today > until {", "if today >= until {"},
	{"effective date bit in place of expired", kernel + "restrictions.go", "bits |= emv.NotYetEffective", "bits |= emv.Expired"},
	{"goods and services both needed", kernel + "restrictions.go", "purchase(transaction) && !pick(domesticGoods|domesticServices, foreignGoods|foreignServices)", "purchase(transaction) && (!pick(domesticGoods, foreignGoods) || !pick(domesticServices, foreignServices))"},
	{"domestic and foreign turned round", kernel + "restrictions.go", "if domestic {", "if !domestic {"},

	// The cardholder.
	{"CVM amounts are not strict", cvm + "terms.go", "t.AmountMinor < uint64(l.X)", "t.AmountMinor <= uint64(l.X)"},
	{"CVM amounts in any currency", cvm + "terms.go", "case 0x09:\n\t\treturn t.SameCurrency && ", "case 0x09:\n\t\treturn "},
	{"fail CVM goes on with the next rule", cvm + "evaluate.go", "if m == Fail {", "if false {"},
	{"failed rule ends the list", cvm + "evaluate.go", "if !r.GoesOn() {", "if r.GoesOn() {"},
	{"PIN and signature is successful", cvm + "evaluate.go", "if m == OnlinePIN || m.Signs() {", "if m == OnlinePIN || m == Signature {"},
	{"online PIN bit in place of pad missing", cvm + "evaluate.go", "return emv.PINPadMissing\n\tcase TryLimit:", "return emv.OnlinePINEntered\n\tcase TryLimit:"},
	{"unknown CVM is only unsupported", cvm + "evaluate.go", "return emv.CVMUnknown", "return 0"},
	{"PIN is asked with no tries left", kernel + "cardholder.go", "if err != nil || known && left == 0 {", "if err != nil || known && left < 0 {"},
	{"63C0 asks for another PIN", kernel + "cardholder.go", " || sw == 0x63C0:", ":"},
	{"challenge of any length", kernel + "cardholder.go", " || len(resp.Data) != 8 {", " {"},
	{"plaintext PIN sent where it is to be enciphered", kernel + "cardholder.go", "cmd.P2, want = apdu.EncipheredPIN, len(req.Key.Modulus)", "want = len(req.Key.Modulus)"},
	{"bypass where nobody attends", kernel + "cardholder.go", "if a == cvm.Bypassed && s.terminal.unattended() {", "if false {"},
	{"PIN block is not wiped", kernel + "cardholder.go", "func wipe(b []byte) { clear(b) }", "func wipe([]byte) {}"},

	// Risk and action analysis.
	{"floor limit itself is below the limit", kernel + "risk.go", "if amount+prior >= limit {", "if amount+prior > limit {"},
	{"split sales are not added up", kernel + "risk.go", "if amount+prior >= limit {", "if amount >= limit {"},
	{"random selection at every terminal", kernel + "risk.go", "if !s.terminal.offlineOnly() && !s.terminal.onlineOnly() && app.selects", "if app.selects"},
	{"random selection without bias", kernel + "risk.go", "int64(a.RandomTarget)+rise", "int64(a.RandomTarget)+0*rise"},
	{"counter that fell is within the limits", kernel + "risk.go", "if offline <= 0 || offline > int(upper) {", "if offline > int(upper) {"},
	{"exception file waits for the card's leave", kernel + "risk.go", "\ts.suspect()\n\tif s.profile", "\tif s.profile"},
	{"IAC online missing means never online", kernel + "action.go", "issuerCode(s.objects.get(tag.IssuerActionCodeOnline), allBits)", "issuerCode(s.objects.get(tag.IssuerActionCodeOnline), 0)"},
	{"online before denial", kernel + "action.go", "case tvr&codes.denial != 0:\n\t\treturn emv.AAC", "case tvr&codes.denial != 0 && tvr&codes.online == 0:\n\t\treturn emv.AAC"},
	{"default codes for every terminal", kernel + "action.go", "case t.offlineOnly() && tvr&codes.byDefault != 0:", "case tvr&codes.byDefault != 0:"},

	// Cryptograms.
	{"card may answer higher than asked", kernel + "action.go", "return order(got) <= order(asked)", "return order(got) <= order(asked)+1"},
	{"TC with a failed CDA is approved", kernel + "action.go", "if a.cdaFailed {\n\t\t\ts.arc = offlineDeclined\n\t\t\treturn s.end(emv.Declined, \"CDA failed on a TC\")\n\t\t}\n", ""},
	{"ARQC with a failed CDA goes online", kernel + "action.go", "if a.cdaFailed {\n\t\ts.arc = offlineDeclined\n\t\treturn Completing, nil\n\t}\n", ""},
	{"CDA asked for with an AAC", kernel + "action.go", "answered{cda: wantCDA && kind != emv.AAC", "answered{cda: wantCDA"},
	{"CID in the signature is not compared", kernel + "cryptogram.go", "case got.CID != a.cid:", "case false:"},
	{"CDA hash without the PDOL", kernel + "cryptogram.go", "signed = append(signed, s.profile.pdolData...)\n", ""},
	{"service not allowed is allowed", kernel + "cryptogram.go", "case c.cid&reasonBits == serviceNotAllowed:", "case false:"},
	{"objects of the first answer stay", kernel + "cryptogram.go", "s.objects.drop(cryptogramTags[:]...)\n", ""},

	// Online, scripts, completion.
	{"issuer's tag 91 of any length", kernel + "online.go", "len(v) >= 8 && len(v) <= 16 {", "len(v) >= 1 {"},
	{"EXTERNAL AUTHENTICATE for every card", kernel + "online.go", "return aip&emv.IssuerAuthSupported != 0 && ", "return "},
	{"failed issuer authentication goes unnoticed", kernel + "online.go", "s.tvr |= emv.IssuerAuthFailed", ""},
	{"referral approves", kernel + "online.go", "case \"00\", \"10\", \"11\":", "case \"00\", \"01\", \"10\", \"11\":"},
	{"blanks are a response code", kernel + "online.go", "if (c < '0' || c > '9') &&", "if c != ' ' && (c < '0' || c > '9') &&"},
	{"script runs on after an error", kernel + "scripts.go", "if resp.SW>>8 != 0x90 && !resp.SW.Warning() {", "if resp.SW == 0 {"},
	{"warning ends a script", kernel + "scripts.go", "resp.SW>>8 != 0x90 && !resp.SW.Warning()", "resp.SW>>8 != 0x90"},
	{"script failure in the other byte's bit", kernel + "scripts.go", "tag.IssuerScriptTemplate2, emv.ScriptFailedAfterGAC2", "tag.IssuerScriptTemplate2, emv.ScriptFailedBeforeGAC2"},
	{"scripts without limit", kernel + "scripts.go", "if spent > limit {", "if false {"},
	{"script results are counted from 0", kernel + "scripts.go", "return scriptResult(scriptFailed, i+1, sc.id), nil\n\t\t}\n\t\tresp", "return scriptResult(scriptFailed, i, sc.id), nil\n\t\t}\n\t\tresp"},
	{"unable to go online approves by itself", kernel + "completion.go", "if t.onlineOnly() || tvr&codes.byDefault != 0 {", "if t.onlineOnly() {"},
	{"Y3 and Z3 turned round", kernel + "completion.go", "if kind == emv.TC {\n\t\t\ts.arc", "if kind != emv.TC {\n\t\t\ts.arc"},
	{"card's AAC after an approval is approved", kernel + "completion.go", "case a.kind() != emv.TC:", "case false:"},
	{"approved without a reversal when the card is pulled", kernel + "session.go", "s.online.approved && s.ending.outcome != emv.Approved", "s.online.approved && s.ending.outcome == emv.Declined"},
	{"same unpredictable number for both cryptograms", kernel + "session.go", "return s.tx.UN[1]", "return s.tx.UN[0]"},
	{"session without bound", kernel + "session.go", "if s.left == 0 || s.spent >= maxCommands {", "if false {"},
	{"card number in the trace", kernel + "trace.go", "clear(obj.Value[min(3, len(obj.Value)):])", ""},

	// Settlement.
	{"settlement: progress is saved before the upload is confirmed", batch + "upload.go", "\t\terr := r.some(ctx, &next, jobs[next.Next:])\n", "\t\tearly := next\n\t\tearly.Phase, early.Next = Uploading, min(next.Next+groupSize, len(jobs))\n\t\t_ = r.Book.Save(ctx, &early)\n\t\terr := r.some(ctx, &next, jobs[next.Next:])\n"},
	{"settlement: batch is closed with a stored payment waiting", batch + "totals.go", "rec.State.Debt() || rec.State == payment.Stored || ", "rec.State.Debt() || "},
	{"settlement: batch is closed with a reversal owed", batch + "totals.go", "return rec.State.Debt() || ", "return "},
	{"settlement: batch is closed with a script result unsent", batch + "totals.go", " || (rec.Script != nil && rec.Script.Answer == nil)", ""},
	{"settlement: a reversed payment counts", batch + "totals.go", "\tcase payment.Completed:\n\t\tc.complete(rec)", "\tcase payment.Completed, payment.Reversed:\n\t\tc.complete(rec)"},
	{"settlement: a refused payment counts", batch + "totals.go", "\tcase payment.Stored, payment.Refused:\n\t\tc.unsent", "\tcase payment.Refused:\n\t\tc.complete(rec)\n\tcase payment.Stored:\n\t\tc.unsent"},
	{"settlement: an adjustment counts whole", batch + "totals.go", "rec.Amount.Minor - original.minor, 0", "rec.Amount.Minor, 0"},
	{"settlement: an adjustment counts as a payment", batch + "totals.go", "rec.Amount.Minor - original.minor, 0", "rec.Amount.Minor - original.minor, 1"},
	{"settlement: one verdict for both classes", batch + "upload.go", "\tverdict, totals := s.ForeignVerdict, s.Foreign\n", "\tverdict, totals := s.DomesticVerdict, s.Foreign\n"},
	{"settlement: the upload begins with the first payment after each boot", batch + "settler.go", "\treturn (&run{Settler: s, cur: open}).finish(ctx)\n", "\topen.Next = 0\n\treturn (&run{Settler: s, cur: open}).finish(ctx)\n"},
	{"settlement: a refused end closes the batch", batch + "phases.go", "\tcase !taken:\n\t\treturn fmt.Errorf(\"batch: end", "\tcase !taken && false:\n\t\treturn fmt.Errorf(\"batch: end"},
	{"settlement: totals are asked for under a new STAN", batch + "phases.go", "\t\twire := *r.cur\n", "\t\twire := *r.cur\n\t\twire.STAN, _ = r.Book.Number(ctx)\n"},
	{"settlement: a disk error means stored", batch + "settler.go", "if readErr != nil || stored == nil || !stored.at(next) {", "if readErr != nil || stored.at(next) && false {"},
	{"settlement: groups of nine", batch + "upload.go", "const groupSize = 8", "const groupSize = 9"},
	{"settlement: a refused group is forgotten", batch + "upload.go", "if !taken && len(jobs) > 1 {", "if false {"},
	{"settlement: the host that wants all gets the rest", batch + "phases.go", "next.Next, next.Uploaded, next.Rejected = 0, 0, nil", "next.Uploaded, next.Rejected = 0, nil"},
}
