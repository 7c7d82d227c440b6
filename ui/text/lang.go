package text

import (
	"fmt"
	"strings"
)

// Lang is a language of the terminal. The zero value counts as Chinese.
type Lang uint8

const (
	Chinese Lang = iota + 1 // zh-CN
	English                 // en
)

// Langs returns the languages that there are.
func Langs() []Lang { return []Lang{Chinese, English} }

// String returns the language tag: "zh-CN" or "en".
func (l Lang) String() string {
	if l == English {
		return "en"
	}
	return "zh-CN"
}

// Other returns the other language.
func (l Lang) Other() Lang {
	if l == English {
		return Chinese
	}
	return English
}

// ParseLang reads a language tag or a locale: zh, zh-CN, zh_CN.UTF-8, en, en_GB.
func ParseLang(s string) (Lang, error) {
	tag, _, _ := strings.Cut(strings.ToLower(s), ".")
	switch tag, _, _ = strings.Cut(strings.ReplaceAll(tag, "_", "-"), "-"); tag {
	case "zh":
		return Chinese, nil
	case "en":
		return English, nil
	}
	return 0, fmt.Errorf("text: language %.20q: zh-CN or en wanted", s)
}
