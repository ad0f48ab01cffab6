package records

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/partywall/partywall/examples/recordstore/money"
)

// MaxSample is how many stores there are to make up.
const MaxSample = 12

// Sample makes up a chain of stores, at most [MaxSample], the same at every
// call.
func Sample(stores int) *Chain {
	s := &sampler{dice: rand.New(rand.NewPCG(1877, 12)), chain: &Chain{}} //nolint:gosec // G404: chance has to repeat itself here
	s.catalogue()
	for i, city := range lines(sampleCities)[:min(stores, MaxSample)] {
		country, town, _ := strings.Cut(city, ": ")
		// The first stores are the big ones.
		for range 3 + (MaxSample-i)/2 {
			s.customer(country, town)
		}
	}
	return s.chain
}

type sampler struct {
	dice  *rand.Rand
	chain *Chain
}

// catalogue makes an album per line of sampleAlbums, with ten tracks each.
func (s *sampler) catalogue() {
	c := s.chain
	c.MediaTypes = []Name{{1, "Vinyl, 33 rpm"}, {2, "Lossless file"}}
	genres := map[string]int32{}
	for i, line := range lines(sampleAlbums) {
		id := int32(i + 1)
		part := strings.Split(line, " / ")
		if genres[part[2]] == 0 {
			genres[part[2]] = int32(len(genres) + 1) //nolint:gosec // G115: fewer than albums
			c.Genres = append(c.Genres, Name{genres[part[2]], part[2]})
		}
		c.Artists = append(c.Artists, Name{id, part[0]})
		c.Albums = append(c.Albums, Album{ID: id, ArtistID: id, Title: part[1]})
		for n := range int32(10) {
			c.Tracks = append(c.Tracks, Track{
				ID: id*100 + n, AlbumID: id, MediaTypeID: 1 + n%2, GenreID: genres[part[2]],
				Name: fmt.Sprintf("%s, part %d", part[1], n+1), Composer: part[0],
				Milliseconds: 90_000 + s.dice.Int32N(300_000), UnitPrice: money.Amount(99 + 100*(n%2)),
			})
		}
	}
}

// customer makes a customer and what they bought.
func (s *sampler) customer(country, city string) {
	c := s.chain
	first, last := pick(s, lines(sampleFirstNames)), pick(s, lines(sampleLastNames))
	id := int32(len(c.Customers) + 1) //nolint:gosec // G115: a few dozen
	c.Customers = append(c.Customers, Customer{
		ID: id, FirstName: first, LastName: last, City: city, Country: country,
		Email: fmt.Sprintf("listener%d@example.com", id),
	})
	for range 2 + s.dice.IntN(6) {
		s.invoice(id)
	}
}

func (s *sampler) invoice(customer int32) {
	c := s.chain
	id := int32(len(c.Invoices) + 1) //nolint:gosec // G115: a few hundred
	var total money.Amount
	for range 1 + s.dice.IntN(9) {
		track := pick(s, c.Tracks)
		c.Lines = append(c.Lines, Line{
			ID: int32(len(c.Lines) + 1), InvoiceID: id, TrackID: track.ID, Quantity: 1, UnitPrice: track.UnitPrice, //nolint:gosec // G115: a few thousand
		})
		total += track.UnitPrice
	}
	day := time.Date(2021, time.January, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, s.dice.IntN(5*365))
	c.Invoices = append(c.Invoices, Invoice{ID: id, CustomerID: customer, Date: day, Total: total})
}

func pick[T any](s *sampler, from []T) T { return from[s.dice.IntN(len(from))] }

func lines(text string) []string { return strings.Split(strings.TrimSpace(text), "\n") }

const sampleCities = `
Portugal: Porto
Brazil: São Paulo
Japan: Osaka
South Africa: Cape Town
New Zealand: Wellington
Norway: Bergen
Mexico: Puebla
Greece: Thessaloniki
Canada: Montréal
Czech Republic: Brno
Iceland: Akureyri
Uruguay: Montevideo`

const sampleAlbums = `
The Hollow Joists / Load-Bearing Songs / Rock
Ada & the Lintels / Keystone / Soul
Brick Quartet / Mortar Suite / Jazz
Next Door / Through the Wall / Electronic
Coping Stones / Weatherproof / Folk
The Surveyors / Boundary Line / Rock
Gable End / Slate and Lead / Metal
Flying Buttress / Nave / Classical
Low Eaves / Rainwater / Blues
Cornice / Dentil Work / Pop
Sash Window / Counterweight / Jazz
Damp Course / Rising / Electronic`

const sampleFirstNames = `
Inês
Tomás
Yuki
Naledi
Aroha
Sigrid
Lucía
Nikos
Élodie
Jakub
Birna
Mateo
Clara
Emil
Zanele
Hana`

const sampleLastNames = `
Almeida
Costa
Tanaka
Mokoena
Walker
Haugen
Ramírez
Pappas
Tremblay
Novák
Jónsdóttir
Silva
Becker
Lindqvist
Dlamini
Okada`
