package tidy

import (
	"go/token"
	"strings"
)

// rooms is the house, highest level first: of two rows that fit a folder the longer one
// counts. A package may import packages of its own room, and of rooms with a lower level.
var rooms = []struct {
	dir   string
	level int
}{
	{"cmd", 7},
	{"device", 6},
	{"transport", 6},
	{"store", 6},
	{"ui", 6},
	{"host-sim", 6},
	{"emv/payment", 5},
	{"emv/replay", 5},
	{"emv/params", 5},
	{"emv/kernel", 4},
	{"emv/describe", 4},
	{"emv/oda", 3},
	{"emv/cvm", 3},
	{"emv/apdu", 3},
	{"emv/pinblock", 3},
	{"emv/dukpt", 3},
	{"emv/keyblock", 3},
	{"emv/binding", 4},
	{"emv/issuer", 3},
	{"emv/tag", 2},
	{"emv/tlv", 1},
	{"emv", 0},
	{"build", 7},
}

// sideways lists the imports between rooms of the same level that are allowed: they
// carry data, no behaviour.
var sideways = []struct{ from, to, why string }{
	{"ui/tui", "transport/control", "the screen shows the snapshot's types"},
	{"host-sim", "transport/iso8583", "both ends of the line speak one codec, pinned by published vectors"},
}

// roomOf returns the room of a folder; ok is false for one that is in no room.
func roomOf(dir string) (name string, level int, ok bool) {
	for _, r := range rooms {
		exact := r.dir == "emv" // the vocabulary has no rooms inside it but those listed
		if (exact && dir == r.dir) || (!exact && under(dir, r.dir)) {
			if len(r.dir) > len(name) {
				name, level, ok = r.dir, r.level, true
			}
		}
	}
	return name, level, ok
}

// importsPointDown is the law of the house. Tests may import what they like, but cmd.
func importsPointDown(f *File) (found []Finding) {
	room, level, ok := roomOf(f.Dir)
	if f.Test || !ok {
		return nil
	}
	f.own(func(dir string, pos token.Pos) {
		other, below, ok := roomOf(dir)
		switch {
		case !ok:
			found = append(found, f.at(pos, "%s imports %s, which is in no room", f.Dir, dir))
		case other == room || below < level || allowedSideways(f.Dir, dir):
		case below == level:
			found = append(found, f.at(pos, "%s imports %s: two rooms of the same level", f.Dir, dir))
		default:
			found = append(found, f.at(pos, "%s imports %s, which is above it", f.Dir, dir))
		}
	})
	return found
}

// everyPackageHasARoom: a new folder is given its level before it is used.
func everyPackageHasARoom(p *Package) []Finding {
	if _, _, ok := roomOf(p.Dir); ok {
		return nil
	}
	return []Finding{{p.Files[0].Path, 1, "package " + p.Dir + " is in no room: add it to the table in build/tidy/rooms.go"}}
}

func allowedSideways(from, to string) bool {
	for _, row := range sideways {
		if under(from, row.from) && under(to, row.to) {
			return true
		}
	}
	return false
}

// own calls fn with the folder of each import that is the project's own.
func (f *File) own(fn func(dir string, pos token.Pos)) {
	f.imports(func(_, p string, pos token.Pos) {
		if dir, ok := strings.CutPrefix(p, module+"/"); ok {
			fn(dir, pos)
		}
	})
}

// nobodyImportsCmd holds for tests too. cmd/internal is for cmd alone, as Go itself
// would have it.
func nobodyImportsCmd(f *File) (found []Finding) {
	f.own(func(dir string, pos token.Pos) {
		if under(dir, "cmd") && !(under(f.Dir, "cmd") && under(dir, "cmd/internal")) {
			found = append(found, f.at(pos, "%s imports %s", f.Dir, dir))
		}
	})
	return found
}

// simulatorsStandAlone: the code that a simulator judges is not the code that it runs.
// Its tests may set the two against each other.
func simulatorsStandAlone(f *File) (found []Finding) {
	if f.Test || !under(f.Dir, "device/sim", "host-sim") {
		return nil
	}
	f.own(func(dir string, pos token.Pos) {
		if under(dir, "emv/kernel", "emv/payment", "emv/oda") {
			found = append(found, f.at(pos, "%s imports %s", f.Dir, dir))
		}
	})
	return found
}
