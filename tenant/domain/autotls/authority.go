package autotls

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/caddyserver/certmagic"
	"github.com/mholt/acmez/v3/acme"

	"github.com/partywall/partywall/tenant/domain/autotls/pace"
)

// authority is a CA with our account there.
type authority struct {
	ca      CA
	key     string // certmagic's name of it in storage
	storage *storage
	http    *http.Client
	timeout time.Duration // of one order
	budget  *pace.Budget
	pause   pace.Pause

	mu      sync.Mutex
	account *acme.Account // nil until it is known

	clientMu sync.Mutex
	client   *acme.Client // shared, for it keeps nonces
	made     time.Time
}

func newAuthority(ca CA, s *storage, o *Options) (*authority, error) {
	a := &authority{
		ca: ca, key: certmagic.StorageKeys.Safe((&certmagic.ACMEIssuer{CA: ca.Directory}).IssuerKey()), storage: s, timeout: o.OrderTimeout,
	}
	a.http = newClient(ca.Roots, &a.pause, o.Clock)
	var err error
	a.budget, err = newBudget(ca, a.key, o.Share, ledger{s.pool})
	return a, err
}

// directoryLife is for how long the CA's directory is believed.
const directoryLife = 12 * time.Hour

// acme returns a client of the CA.
func (a *authority) acme() *acme.Client {
	a.clientMu.Lock()
	defer a.clientMu.Unlock()
	if a.client == nil || time.Since(a.made) > directoryLife {
		a.client, a.made = &acme.Client{
			Directory: a.ca.Directory, HTTPClient: a.http, UserAgent: "partywall", PollTimeout: a.timeout,
		}, time.Now()
	}
	return a.client
}

// close ends connections that nobody uses.
func (a *authority) close() { a.http.CloseIdleConnections() }

// items returns where the account is stored, as certmagic does.
func (a *authority) items() (registration, key string) {
	email := strings.ToLower(a.ca.Email)
	user, _, _ := strings.Cut(email, "@")
	if email == "" {
		email, user = "default", "default"
	}
	folder := path.Join("acme", a.key, "users", certmagic.StorageKeys.Safe(email), certmagic.StorageKeys.Safe(user))
	return folder + ".json", folder + ".key"
}

// login returns our account, and registers it when there is none, once for all
// nodes.
func (a *authority) login(ctx context.Context) (acme.Account, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.account != nil {
		return *a.account, nil
	}
	account, err := a.stored(ctx)
	if errors.Is(err, fs.ErrNotExist) {
		err = a.storage.under(ctx, "register_acme_account_"+a.key, func(ctx context.Context, h *hold) error {
			if account, err = a.stored(ctx); errors.Is(err, fs.ErrNotExist) {
				account, err = a.register(ctx, h)
			}
			return err
		})
	}
	if err != nil {
		return acme.Account{}, fmt.Errorf("autotls: account at %s: %w", a.ca.Directory, err)
	}
	a.account = &account
	return account, nil
}

func (a *authority) stored(ctx context.Context) (account acme.Account, err error) {
	registration, key := a.items()
	text, err := a.storage.Load(ctx, registration)
	if err != nil {
		return account, err
	}
	secret, err := a.storage.Load(ctx, key)
	if err != nil {
		return account, err
	}
	if err := json.Unmarshal(text, &account); err != nil {
		return account, err
	}
	account.PrivateKey, err = certmagic.PEMDecodePrivateKey(secret)
	return account, err
}

func (a *authority) register(ctx context.Context, h *hold) (account acme.Account, err error) {
	secret, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return account, err
	}
	if err := spend(ctx, a.budget.Register); err != nil {
		return account, err
	}
	client := a.acme()
	account = acme.Account{PrivateKey: secret, TermsOfServiceAgreed: true}
	if a.ca.Email != "" {
		account.Contact = []string{"mailto:" + a.ca.Email}
	}
	if a.ca.Key != "" {
		if err := account.SetExternalAccountBinding(ctx, client, acme.EAB{KeyID: a.ca.Key, MACKey: a.ca.MAC}); err != nil {
			return account, err
		}
	}
	if account, err = client.NewAccount(ctx, account); err != nil {
		return account, err
	}
	text, err := json.Marshal(account)
	if err != nil {
		return account, err
	}
	encoded, err := certmagic.PEMEncodePrivateKey(secret)
	if err != nil {
		return account, err
	}
	registration, key := a.items()
	// The key first: a registration without one is taken for none.
	if err := a.storage.put(ctx, a.storage.pool, h, key, encoded); err != nil {
		return account, err
	}
	return account, a.storage.put(ctx, a.storage.pool, h, registration, text)
}

// forgetAccount makes the next login register anew, after the CA has said that
// it does not know the account. Another node may have done so by now.
func (a *authority) forgetAccount(ctx context.Context, unknown acme.Account) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.account = nil
	stored, err := a.stored(ctx)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil || stored.Location != unknown.Location {
		return err
	}
	registration, _ := a.items()
	return a.storage.Delete(ctx, registration)
}
