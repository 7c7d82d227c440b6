package escpos

// Symbols of Code 128, ISO/IEC 15417.
const (
	codeC, codeB, codeA    = 99, 100, 101
	startA, startB, startC = 103, 104, 105
	stop                   = 106
)

// patterns are the symbols: widths in modules of a bar, a space, a bar …
var patterns = [107]string{
	"212222", "222122", "222221", "121223", "121322", "131222", "122213", "122312", "132212", "221213",
	"221312", "231212", "112232", "122132", "122231", "113222", "123122", "123221", "223211", "221132",
	"221231", "213212", "223112", "312131", "311222", "321122", "321221", "312212", "322112", "322211",
	"212123", "212321", "232121", "111323", "131123", "131321", "112313", "132113", "132311", "211313",
	"231113", "231311", "112133", "112331", "132131", "113123", "113321", "133121", "313121", "211331",
	"231131", "213113", "213311", "213131", "311123", "311321", "331121", "312113", "312311", "332111",
	"314111", "221411", "431111", "111224", "111422", "121124", "121421", "141122", "141221", "112214",
	"112412", "122114", "122411", "142112", "142211", "241211", "221114", "413111", "241112", "134111",
	"111242", "121142", "121241", "114212", "124112", "124211", "411212", "421112", "421211", "212141",
	"214121", "412121", "111143", "111341", "131141", "114113", "114311", "411113", "411311", "113141",
	"114131", "311141", "411131", "211412", "211214", "211232", "2331112",
}

// code128 reads the data of GS k 73: {A, {B or {C chooses a code set, and comes first; in
// A and B a byte is a character ({{ a brace), in C two digits. It returns what the code
// says, and its symbols with start, check and stop. Function characters are not known.
func code128(data []byte) (text string, symbols []int, ok bool) {
	set := byte(0)
	for len(data) > 0 {
		c := data[0]
		if c == '{' && len(data) > 1 && data[1] != '{' {
			symbol, known := choose(set == 0, data[1])
			if !known {
				return "", nil, false
			}
			set, symbols, data = data[1], append(symbols, symbol), data[2:]
			continue
		}
		if c == '{' {
			data = data[1:] // its double; a single one at the end falls out below
		}
		part, symbol, known := character(set, c)
		if !known || len(data) == 0 {
			return "", nil, false
		}
		text, symbols, data = text+part, append(symbols, symbol), data[1:]
	}
	if len(symbols) < 2 {
		return "", nil, false
	}
	return text, append(symbols, check(symbols), stop), true
}

// choose is the symbol that begins with a code set, or changes to it.
func choose(first bool, set byte) (symbol int, ok bool) {
	row, ok := map[byte][2]int{'A': {startA, codeA}, 'B': {startB, codeB}, 'C': {startC, codeC}}[set]
	if first {
		return row[0], ok
	}
	return row[1], ok
}

// character is one byte in a code set.
func character(set, c byte) (text string, symbol int, ok bool) {
	switch {
	case set == 'C' && c < 100:
		return string([]byte{'0' + c/10, '0' + c%10}), int(c), true
	case set == 'A' && c < 0x20:
		return string(rune(c)), int(c) + 64, true
	case set == 'A' && c < 0x60, set == 'B' && c >= 0x20 && c < 0x80:
		return string(rune(c)), int(c) - 0x20, true
	}
	return "", 0, false
}

// check is the check symbol: start, and each symbol by its place, modulo 103.
func check(symbols []int) int {
	sum := symbols[0]
	for at, s := range symbols[1:] {
		sum += (at + 1) * s
	}
	return sum % 103
}
