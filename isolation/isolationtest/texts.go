package isolationtest

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// texts are all texts, numbers and bytes that can be reached from a value,
// also by fields that are not exported: what a function returns to one caller
// it may show to the next. Maps are gone through in the order of their keys.
func texts(v any) []string {
	w := walker{seen: map[visit]bool{}}
	w.walk(reflect.ValueOf(v))
	return w.out
}

type visit struct {
	at uintptr
	of reflect.Type
}

type walker struct {
	seen map[visit]bool
	out  []string
}

func (w *walker) walk(v reflect.Value) {
	switch v.Kind() {
	case reflect.Invalid, reflect.Func, reflect.Chan, reflect.UnsafePointer:
	case reflect.Pointer:
		at := visit{v.Pointer(), v.Type()}
		if !v.IsNil() && !w.seen[at] {
			w.seen[at] = true
			w.walk(v.Elem())
		}
	case reflect.Interface:
		w.walk(v.Elem())
	case reflect.Struct:
		for _, field := range v.Fields() {
			w.walk(field)
		}
	case reflect.Slice, reflect.Array:
		w.list(v)
	case reflect.Map:
		w.entries(v)
	default:
		w.out = append(w.out, fmt.Sprint(v))
	}
}

// list goes through a list; one of bytes is a text.
func (w *walker) list(v reflect.Value) {
	if v.Type().Elem().Kind() == reflect.Uint8 {
		text := make([]byte, v.Len())
		for i := range text {
			text[i] = byte(v.Index(i).Uint()) //nolint:gosec // G115: it is a byte
		}
		w.out = append(w.out, string(text))
		return
	}
	for i := range v.Len() {
		w.walk(v.Index(i))
	}
}

func (w *walker) entries(v reflect.Value) {
	keys := v.MapKeys()
	slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	for _, k := range keys {
		w.walk(k)
		w.walk(v.MapIndex(k))
	}
}
