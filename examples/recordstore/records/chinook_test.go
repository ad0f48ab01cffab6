package records_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/partywall/partywall/examples/recordstore/money"
	"github.com/partywall/partywall/examples/recordstore/records"
)

// small are the files of a chain with two stores. Columns that nobody asks for
// are there too, and stand in another order than Chinook's.
func small() map[string]string {
	return map[string]string{
		"artist.csv":     "artist_id,name\n1,\"Ada & the Lintels\"\n2,Brick Quartet\n",
		"genre.csv":      "name,genre_id\nJazz,1\nSoul,2\n",
		"media_type.csv": "media_type_id,name\n1,Vinyl\n",
		"album.csv":      "album_id,title,artist_id\n10,Keystone,1\n20,\"Mortar\nSuite\",2\n",
		"track.csv": "track_id,name,album_id,media_type_id,genre_id,composer,milliseconds,bytes,unit_price\n" +
			"100,Plumb,10,1,2,,90000,1,0.99\n200,\"Level, or not\",20,1,1,Ada,120000,1,1.99\n",
		"customer.csv": "customer_id,first_name,last_name,company,city,country,email\n" +
			"1,Inês,Costa,,Porto,Portugal,ines@example.com\n" +
			"2,Jakub,Novák,Novák s.r.o.,Brno,Czech Republic,jakub@example.com\n" +
			"3,Tomás,Almeida,,Lisboa,Portugal,tomas@example.com\n",
		"invoice.csv": "invoice_id,customer_id,invoice_date,billing_country,total\n" +
			"1,1,2021-01-01 00:00:00,Portugal,2.98\n2,2,2022-02-28 00:00:00,Czech Republic,1.99\n3,3,2025-12-31 00:00:00,Portugal,0.99\n",
		"invoice_line.csv": "invoice_line_id,invoice_id,track_id,unit_price,quantity\n" +
			"1,1,100,0.99,1\n2,1,200,1.99,1\n3,2,200,1.99,1\n4,3,100,0.99,1\n",
	}
}

func files(texts map[string]string) fs.FS {
	out := fstest.MapFS{}
	for name, text := range texts {
		out[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return out
}

func TestRead(t *testing.T) {
	t.Parallel()
	c, err := records.Read(files(small()))
	if err != nil {
		t.Fatal(err)
	}
	counts := []int{len(c.Artists), len(c.Genres), len(c.MediaTypes), len(c.Albums), len(c.Tracks), len(c.Customers), len(c.Invoices), len(c.Lines)}
	if want := []int{2, 2, 1, 2, 2, 3, 3, 4}; !slices.Equal(counts, want) {
		t.Errorf("read %v, want %v", counts, want)
	}
	if got, want := c.Tracks[1], (records.Track{
		ID: 200, AlbumID: 20, MediaTypeID: 1, GenreID: 1, Name: "Level, or not", Composer: "Ada", Milliseconds: 120000, UnitPrice: 199,
	}); got != want {
		t.Errorf("track %+v, want %+v", got, want)
	}
	if got, want := c.Invoices[1].Date, time.Date(2022, time.February, 28, 0, 0, 0, 0, time.UTC); !got.Equal(want) {
		t.Errorf("date %v, want %v", got, want)
	}
	stores, err := c.Stores()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range stores {
		got = append(got, fmt.Sprintf("%s %s: %d, %d, %d, %s", s.Slug, s.Country, len(s.Customers), len(s.Invoices), len(s.Lines), s.Total()))
	}
	want := []string{"portugal Portugal: 2, 2, 3, 3.97", "czech-republic Czech Republic: 1, 1, 1, 1.99"}
	if !slices.Equal(got, want) {
		t.Errorf("stores %q, want %q", got, want)
	}
}

func TestReadTakesAByteOrderMark(t *testing.T) {
	t.Parallel()
	texts := small()
	texts["genre.csv"] = "\ufeffgenre_id,name\n1,Jazz\n2,Soul\n"
	if _, err := records.Read(files(texts)); err != nil {
		t.Error(err)
	}
}

// TestReadRefuses spoils one thing at a time. The error has to name the file
// and the line, and to say what is wrong there.
func TestReadRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		file, old, new string // nothing old means that the whole file is replaced
		line           int
		says           string
	}{
		"empty file":           {"album.csv", "", "", 0, "is empty"},
		"other header":         {"invoice.csv", "total", "sum", 1, "no column total"},
		"two columns missing":  {"album.csv", "", "album_id\n", 1, "no column artist_id\nthere is no column title"},
		"too few values":       {"genre.csv", "Soul,2", "Soul", 3, "wrong number of fields"},
		"a quote in the open":  {"genre.csv", "Soul,2", "So\"ul,2", 3, "bare \""},
		"a quote left open":    {"genre.csv", "Soul,2", "\"Soul,2", 3, "missing \" in quoted-field"},
		"an id that is a word": {"artist.csv", "2,Brick", "two,Brick", 3, "artist_id: strconv"},
		"an id that is 0":      {"artist.csv", "2,Brick", "0,Brick", 3, "artist_id: 0 is not at least 1"},
		"a huge id":            {"artist.csv", "2,Brick", "2147483648,Brick", 3, "out of range"},
		"an id twice":          {"artist.csv", "2,Brick", "1,Brick", 3, "artist_id: 1 is there twice"},
		"an invoice twice":     {"invoice.csv", "3,3,2025", "1,3,2025", 4, "invoice_id: 1 is there twice"},
		"a name that is empty": {"artist.csv", "2,Brick Quartet", "2,", 3, "name: is empty"},
		"a name with a NUL":    {"artist.csv", "Brick", "Bri\x00ck", 3, "name: is not UTF-8, or has a NUL"},
		"Latin-1":              {"customer.csv", "Inês", "In\xeas", 2, "first_name: is not UTF-8"},
		"an amount in words":   {"invoice.csv", "1.99", "two", 3, "total: money: not an amount"},
		"an amount with comma": {"invoice.csv", "1.99", "\"1,99\"", 3, "total: money: not an amount"},
		"half a cent":          {"invoice.csv", "1.99", "1.995", 3, "total: money: not an amount"},
		"a fortune":            {"invoice.csv", "1.99", "100000000.00", 3, "total: 100000000.00 is too much"},
		"a negative price":     {"track.csv", "0.99", "-0.99", 2, "unit_price: is negative"},
		"no duration":          {"track.csv", "90000", "0", 2, "milliseconds: 0 is not at least 1"},
		"a day too many":       {"invoice.csv", "2022-02-28", "2022-02-29", 3, "invoice_date: parsing time"},
		"an American date":     {"invoice.csv", "2022-02-28 00:00:00", "02/28/2022", 3, "invoice_date: parsing time"},
		"no such artist":       {"album.csv", "Keystone,1", "Keystone,3", 2, "artist_id: there is none with the id 3"},
		"no such genre":        {"track.csv", "10,1,2,", "10,1,9,", 2, "genre_id: there is none with the id 9"},
		"after two lines":      {"album.csv", "Suite\",2", "Suite\",3", 3, "artist_id: there is none with the id 3"},
		"no such customer":     {"invoice.csv", "3,3,2025", "3,4,2025", 4, "customer_id: there is none with the id 4"},
		"no such invoice":      {"invoice_line.csv", "4,3,100", "4,9,100", 5, "invoice_id: there is none with the id 9"},
		"no such track":        {"invoice_line.csv", "4,3,100", "4,3,300", 5, "track_id: there is none with the id 300"},
		"nothing bought":       {"invoice_line.csv", "1.99,1\n4", "1.99,0\n4", 4, "quantity: 0 is not at least 1"},
		"a customer of ours":   {"customer.csv", "3,Tomás", "100001,Tomás", 4, "customer_id: 100001 is more than 100000"},
		"an address twice":     {"customer.csv", "tomas@", "ines@", 4, "email: is another customer's"},
		"no letters":           {"customer.csv", "Czech Republic", "日本", 3, "country: tenant: slug"},
		"a reserved name":      {"customer.csv", "Czech Republic", "Admin", 3, "country: would have the address \"admin\", which is reserved"},
		"a name like another":  {"customer.csv", "Czech Republic", "PORTUGAL", 3, "country: would have the address of \"Portugal\""},
		"a name without end":   {"customer.csv", "Czech Republic", strings.Repeat("Very ", 10) + "Far", 3, "country: is longer than 48 bytes"},
		"a name with a bell":   {"customer.csv", "Czech Republic", "Czech\aRepublic", 3, "country: tenant: name"},
		"one country":          {"customer.csv", "Czech Republic", "Portugal", 0, "two countries at least"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			texts := small()
			if c.old == "" {
				texts[c.file] = c.new
			} else if texts[c.file] = strings.Replace(texts[c.file], c.old, c.new, 1); maps.Equal(texts, small()) {
				t.Fatalf("there is no %q in %s", c.old, c.file)
			}
			_, err := records.Read(files(texts))
			var invalid *records.InvalidError
			if !errors.Is(err, records.ErrInvalid) || !errors.As(err, &invalid) {
				t.Fatalf("got %v, want an InvalidError", err)
			}
			if invalid.File != c.file || invalid.Line != c.line || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v, want %s:%d: %s", err, c.file, c.line, c.says)
			}
			if at := fmt.Sprintf("%s:%d: ", c.file, c.line); c.line > 0 && !strings.Contains(err.Error(), at) {
				t.Errorf("%v does not say %s", err, at)
			}
		})
	}
}

func TestReadKeepsTheCause(t *testing.T) {
	t.Parallel()
	texts := small()
	texts["invoice.csv"] = strings.Replace(texts["invoice.csv"], "1.99", "two", 1)
	if _, err := records.Read(files(texts)); !errors.Is(err, money.ErrInvalid) {
		t.Errorf("got %v, want money.ErrInvalid in it", err)
	}
}

func TestReadMissesFiles(t *testing.T) {
	t.Parallel()
	for name := range small() {
		texts := small()
		delete(texts, name)
		if _, err := records.Read(files(texts)); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), name) {
			t.Errorf("without %s: got %v", name, err)
		}
	}
}

// endless is a folder in which one file does not end.
type endless struct {
	fs.FS

	name string
}

// Open implements fs.FS.
func (e endless) Open(name string) (fs.File, error) {
	f, err := e.FS.Open(name)
	if err != nil || name != e.name {
		return f, err
	}
	return endlessFile{f, strings.Repeat("x", 4096)}, nil
}

type endlessFile struct {
	fs.File

	text string
}

// Read implements io.Reader.
func (f endlessFile) Read(b []byte) (int, error) {
	return copy(b, f.text), nil
}

func TestReadEndsAFileThatDoesNot(t *testing.T) {
	t.Parallel()
	_, err := records.Read(endless{files(small()), "track.csv"})
	if !errors.Is(err, records.ErrInvalid) || !strings.Contains(err.Error(), "track.csv: has more than") {
		t.Errorf("got %v", err)
	}
}

// broken is a folder in which one file breaks off.
type broken struct{ fs.FS }

// Open implements fs.FS.
func (b broken) Open(name string) (fs.File, error) {
	f, err := b.FS.Open(name)
	if name == "invoice.csv" {
		return brokenFile{f}, err
	}
	return f, err
}

type brokenFile struct{ fs.File }

// Read implements io.Reader.
func (brokenFile) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestReadPassesOnWhatTheDiskSays(t *testing.T) {
	t.Parallel()
	if _, err := records.Read(broken{files(small())}); !errors.Is(err, io.ErrUnexpectedEOF) || !strings.Contains(err.Error(), "invoice.csv") {
		t.Errorf("got %v", err)
	}
}

// FuzzRead makes sure that what is read can be dealt out, whatever the files
// hold.
func FuzzRead(f *testing.F) {
	for name, text := range small() {
		f.Add(name, text)
	}
	f.Fuzz(func(t *testing.T, name, text string) {
		texts := small()
		texts[name] = text
		c, err := records.Read(files(texts))
		if err != nil {
			return
		}
		if _, err := c.Stores(); err != nil {
			t.Error(err)
		}
	})
}
