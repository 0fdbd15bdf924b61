package command

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"math/big"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/smallstep/pkcs7"

	"codedeploy-agent/appspec/allowance"
)

const testContent = `{"DeploymentId":"d-ABC","DeploymentGroupName":"fleet"}`

// identity is a certificate with its key.
type identity struct {
	certificate *x509.Certificate
	key         crypto.Signer
}

var serial atomic.Int64

// issue makes a certificate valid from an hour ago until notAfter; by is nil for a self-signed one.
func issue(t testing.TB, name string, by *identity, ca bool, notAfter time.Time) *identity {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial.Add(1)),
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    time.Now().Add(-time.Minute), NotAfter: notAfter,
		IsCA: ca, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature,
	}
	if ca {
		template.KeyUsage = x509.KeyUsageCertSign
	}
	id := &identity{key: key}
	parent, signer := template, crypto.Signer(key)
	if by != nil {
		parent, signer = by.certificate, by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	if id.certificate, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	return id
}

// pki is root -> intermediate -> leaf, where the leaf ends in an hour, and a stranger of the same name as the leaf.
type pki struct{ root, intermediate, leaf, otherRoot, stranger *identity }

func newPKI(t testing.TB) pki {
	year, hour := time.Now().AddDate(1, 0, 0), time.Now().Add(time.Hour)
	var p pki
	p.root = issue(t, "Root", nil, true, year)
	p.intermediate = issue(t, "Intermediate", p.root, true, year)
	p.leaf = issue(t, "signer.example", p.intermediate, false, hour)
	p.otherRoot = issue(t, "Other Root", nil, true, year)
	p.stranger = issue(t, "signer.example", p.otherRoot, false, hour)
	return p
}

func bundle(ids ...*identity) []byte {
	var b bytes.Buffer
	for _, id := range ids {
		_ = pem.Encode(&b, &pem.Block{Type: "CERTIFICATE", Bytes: id.certificate.Raw})
	}
	return b.Bytes()
}

// sign makes an envelope. change may alter the message before it is finished.
func sign(t testing.TB, content string, id *identity, chain []*identity, change ...func(*pkcs7.SignedData)) *Envelope {
	t.Helper()
	data, err := pkcs7.NewSignedData([]byte(content))
	if err != nil {
		t.Fatal(err)
	}
	data.SetDigestAlgorithm(pkcs7.OIDDigestAlgorithmSHA256)
	for _, f := range change {
		f(data)
	}
	if err := data.AddSigner(id.certificate, id.key, pkcs7.SignerInfoConfig{}); err != nil {
		t.Fatal(err)
	}
	for _, c := range chain {
		data.AddCertificate(c.certificate)
	}
	return finish(t, data)
}

func finish(t testing.TB, data *pkcs7.SignedData) *Envelope {
	t.Helper()
	der, err := data.Finish()
	if err != nil {
		t.Fatal(err)
	}
	return envelopeOf(der)
}

func envelopeOf(der []byte) *Envelope {
	return &Envelope{FormatPKCS7, string(pem.EncodeToMemory(&pem.Block{Type: "PKCS7", Bytes: der}))}
}

func verifier(t testing.TB, pemBundle []byte) *Verifier {
	t.Helper()
	v, err := NewVerifier(pemBundle)
	if err != nil {
		t.Fatalf("NewVerifier() error = %v", err)
	}
	return v
}

func TestOpen(t *testing.T) {
	t.Parallel()
	p := newPKI(t)
	pinned, unpinned := verifier(t, bundle(p.root)), verifier(t, nil)
	e := sign(t, testContent, p.leaf, []*identity{p.intermediate})
	for _, v := range []*Verifier{pinned, unpinned} {
		content, signer, err := v.Open(e)
		if err != nil || string(content) != testContent {
			t.Fatalf("Open() = %q, %v, want the content", content, err)
		}
		if signer.Subject != "CN=signer.example" || signer.Issuer != "CN=Intermediate" || signer.Pinned != v.Pinned() ||
			len(signer.Fingerprint) != 64 || !signer.NotAfter.Equal(p.leaf.certificate.NotAfter) {
			t.Errorf("signer = %+v, want the leaf, pinned %v", signer, v.Pinned())
		}
	}
	cms := &Envelope{FormatPKCS7, strings.ReplaceAll(e.Payload, " PKCS7-", " CMS-")}
	if content, _, err := pinned.Open(cms); err != nil || string(content) != testContent {
		t.Errorf("Open() of BEGIN CMS = %q, %v, want the content", content, err)
	}
	windows := &Envelope{FormatPKCS7, strings.ReplaceAll(e.Payload, "\n", "\r\n")}
	if content, _, err := pinned.Open(windows); err != nil || string(content) != testContent {
		t.Errorf("Open() of CRLF lines = %q, %v, want the content", content, err)
	}
}

func TestOpenWhoSigned(t *testing.T) {
	t.Parallel()
	p := newPKI(t)
	alone := issue(t, "alone", nil, false, time.Now().Add(time.Hour))
	for name, tt := range map[string]struct {
		bundle []byte
		e      *Envelope
		want   string // in the error; empty: accepted
	}{
		"intermediate in the bundle":     {bundle(p.root, p.intermediate), sign(t, testContent, p.leaf, nil), ""},
		"intermediate nowhere":           {bundle(p.root), sign(t, testContent, p.leaf, nil), "is not one of the pinned ones"},
		"stranger":                       {bundle(p.root, p.intermediate), sign(t, testContent, p.stranger, nil), "is not one of the pinned ones"},
		"stranger who brings his root":   {bundle(p.root, p.intermediate), sign(t, testContent, p.stranger, []*identity{p.otherRoot}), "is not one of the pinned ones"},
		"stranger who brings our root":   {bundle(p.root), sign(t, testContent, p.stranger, []*identity{p.root, p.intermediate}), "is not one of the pinned ones"},
		"stranger, not pinned":           {nil, sign(t, testContent, p.stranger, nil), ""},
		"self-signed signer":             {bundle(alone), sign(t, testContent, alone, nil), ""},
		"another self-signed signer":     {bundle(p.root), sign(t, testContent, alone, nil), "is not one of the pinned ones"},
		"SHA-1":                          {bundle(p.root), sign(t, testContent, p.leaf, []*identity{p.intermediate}, sha1), "signs with SHA-1"},
		"SHA-1, not pinned":              {nil, sign(t, testContent, p.leaf, nil, sha1), ""},
		"no certificate of the signer":   {nil, withoutCertificates(t, sign(t, testContent, p.leaf, nil)), "does not carry the certificate of its signer"},
		"leaf that issued a certificate": {bundle(p.root), sign(t, testContent, issue(t, "x", p.leaf, false, time.Now().Add(time.Hour)), []*identity{p.leaf, p.intermediate}), "is not one of the pinned ones"},
	} {
		content, signer, err := verifier(t, tt.bundle).Open(tt.e)
		if tt.want == "" {
			if err != nil || string(content) != testContent || signer.Pinned != (tt.bundle != nil) {
				t.Errorf("%s: Open() = %q, %+v, %v, want the content", name, content, signer, err)
			}
			continue
		}
		if err == nil || content != nil || signer != (Signer{}) {
			t.Errorf("%s: Open() = %q, %+v, want only an error", name, content, signer)
			continue
		}
		mustHave(t, name, err.Error(), "cannot open the deployment specification: ", tt.want)
	}
}

func sha1(d *pkcs7.SignedData) { d.SetDigestAlgorithm(pkcs7.OIDDigestAlgorithmSHA1) }

// withoutCertificates leaves the certificates out of a message, which the signature does not cover.
func withoutCertificates(t *testing.T, e *Envelope) *Envelope {
	t.Helper()
	block, _ := pem.Decode([]byte(e.Payload))
	var outer struct {
		Type    asn1.ObjectIdentifier
		Content asn1.RawValue
	}
	if _, err := asn1.Unmarshal(block.Bytes, &outer); err != nil {
		t.Fatal(err)
	}
	var data struct {
		Version      int
		Digests      asn1.RawValue
		Content      asn1.RawValue
		Certificates asn1.RawValue `asn1:"optional,tag:0"`
		Signers      asn1.RawValue
	}
	if _, err := asn1.Unmarshal(outer.Content.Bytes, &data); err != nil {
		t.Fatal(err)
	}
	inner, err := asn1.Marshal(struct {
		Version                   int
		Digests, Content, Signers asn1.RawValue
	}{data.Version, data.Digests, data.Content, data.Signers})
	if err != nil {
		t.Fatal(err)
	}
	outer.Content = asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 0, IsCompound: true, Bytes: inner}
	der, err := asn1.Marshal(outer)
	if err != nil {
		t.Fatal(err)
	}
	return envelopeOf(der)
}

func TestOpenAtAnotherTime(t *testing.T) {
	t.Parallel()
	p := newPKI(t)
	e := sign(t, testContent, p.leaf, []*identity{p.intermediate})
	for _, tt := range []struct {
		shift time.Duration // of the clock, from the signing time
		want  string
	}{
		{0, ""},
		{2 * time.Hour, ""},  // expired by now, not when it was signed
		{23 * time.Hour, ""}, //
		{25 * time.Hour, "the certificate CN=signer.ex"}, // too long ago to be believed
		{-10 * time.Minute, ""},                          // the host's clock is late; not valid yet by it
		{-time.Hour, "the certificate CN="},              // too far ahead to be believed
	} {
		v := verifier(t, bundle(p.root))
		v.now = func() time.Time { return time.Now().Add(tt.shift) }
		_, _, err := v.Open(e)
		if tt.want == "" && err != nil {
			t.Errorf("Open() %v after signing: error = %v, want none", tt.shift, err)
		}
		if tt.want != "" {
			if err == nil {
				t.Errorf("Open() %v after signing succeeded, want an error", tt.shift)
				continue
			}
			mustHave(t, "error", err.Error(), tt.want, " is valid from ")
		}
		unpinned := verifier(t, nil)
		unpinned.now = v.now
		if _, _, err := unpinned.Open(e); err != nil {
			t.Errorf("Open() without a bundle %v after signing: error = %v, want none", tt.shift, err)
		}
	}

	// Signed with a certificate that had already expired: only a bundle can tell that this matters.
	expired := issue(t, "expired", p.intermediate, false, time.Now().Add(-time.Second))
	e = sign(t, testContent, expired, []*identity{p.intermediate})
	if _, signer, err := verifier(t, nil).Open(e); err != nil || signer.NotAfter.After(time.Now()) {
		t.Errorf("Open() without a bundle = %+v, %v, want the expired signer", signer, err)
	}
	if _, _, err := verifier(t, bundle(p.root)).Open(e); err == nil {
		t.Error("Open() with a bundle accepted a signature of an expired certificate")
	}
}

func TestOpenRefusesMessages(t *testing.T) {
	t.Parallel()
	p := newPKI(t)
	good := sign(t, testContent, p.leaf, []*identity{p.intermediate})
	block, _ := pem.Decode([]byte(good.Payload))
	tampered := bytes.Replace(block.Bytes, []byte(`"fleet"`), []byte(`"flee!"`), 1)
	forged := bytes.Clone(block.Bytes)
	forged[len(forged)-1] ^= 1

	data, err := pkcs7.NewSignedData([]byte(testContent))
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []*identity{p.leaf, p.stranger} {
		if err := data.AddSigner(id.certificate, id.key, pkcs7.SignerInfoConfig{}); err != nil {
			t.Fatal(err)
		}
	}
	several := finish(t, data)

	if data, err = pkcs7.NewSignedData([]byte(testContent)); err != nil {
		t.Fatal(err)
	}
	if err := data.AddSigner(p.leaf.certificate, p.leaf.key, pkcs7.SignerInfoConfig{}); err != nil {
		t.Fatal(err)
	}
	data.Detach()
	detached := finish(t, data)

	unsigned, err := pkcs7.DegenerateCertificate(p.leaf.certificate.Raw)
	if err != nil {
		t.Fatal(err)
	}
	many := make([]*identity, maxCertificates)
	for i := range many {
		many[i] = p.intermediate
	}
	for name, tt := range map[string]struct {
		e    *Envelope
		want string
	}{
		"none":            {nil, "the service sent none"},
		"no format":       {&Envelope{"", "x"}, `its format "" is not known, only PKCS7/JSON is`},
		"other format":    {&Envelope{"PKCS7/XML\n", good.Payload}, `its format "PKCS7/XML" is not known`},
		"text":            {&Envelope{"TEXT/JSON", testContent}, "it is not signed (format TEXT/JSON)"},
		"json":            {&Envelope{"JSON", testContent}, "it is not signed (format JSON)"},
		"empty":           {&Envelope{FormatPKCS7, " \n"}, "its payload is empty"},
		"big":             {&Envelope{FormatPKCS7, strings.Repeat("x", maxEnvelope+1)}, "more than the"},
		"no PEM":          {&Envelope{FormatPKCS7, testContent}, "its payload is not PEM"},
		"other PEM":       {&Envelope{FormatPKCS7, string(bundle(p.leaf))}, `its payload is a PEM "CERTIFICATE"`},
		"empty PEM":       {envelopeOf(nil), "is not a PKCS #7 message: it is truncated"},
		"zeros":           {&Envelope{FormatPKCS7, "-----BEGIN PKCS7-----\nAAAA\n-----END PKCS7-----\n"}, "is not a PKCS #7 message"},
		"half":            {envelopeOf(block.Bytes[:len(block.Bytes)/2]), "is not a PKCS #7 message"},
		"certificate":     {envelopeOf(p.leaf.certificate.Raw), "is not a PKCS #7 message"},
		"tampered":        {envelopeOf(tampered), "its content was changed after it was signed"},
		"forged":          {envelopeOf(forged), "its signature is not valid"},
		"several signers": {several, "it has 2 signers instead of one"},
		"detached":        {detached, "it carries no content"},
		"not signed":      {envelopeOf(unsigned), "it is not signed"},
		"certificates":    {sign(t, testContent, p.leaf, many), "it carries 17 certificates"},
	} {
		for _, v := range []*Verifier{verifier(t, nil), verifier(t, bundle(p.root))} {
			content, signer, err := v.Open(tt.e)
			if err == nil || content != nil || signer != (Signer{}) {
				t.Errorf("%s: Open() = %q, %+v, %v, want only an error", name, content, signer, err)
				continue
			}
			mustHave(t, name, err.Error(), "cannot open the deployment specification: ", tt.want)
		}
	}
}

// testdata/segmented.pem is what openssl cms -sign -nodetach -stream writes: BER of indefinite length whose content is
// cut into several strings, as content above 4 KiB is.
func TestOpenSegmentedBER(t *testing.T) {
	t.Parallel()
	payload, err := os.ReadFile("testdata/segmented.pem")
	if err != nil {
		t.Fatal(err)
	}
	e := &Envelope{FormatPKCS7, string(payload)}
	content, signer, err := verifier(t, nil).Open(e)
	if err != nil || len(content) < 9000 || !strings.HasPrefix(string(content), `{"DeploymentId": "d-SEGMENTED"`) {
		t.Errorf("Open() = %.40q (%d bytes), %v, want the content", content, len(content), err)
	}
	if signer.Subject != "CN=Segmented Signer,O=Example" {
		t.Errorf("signer = %q, want CN=Segmented Signer,O=Example", signer.Subject)
	}
}

func TestNewVerifierRefuses(t *testing.T) {
	t.Parallel()
	p := newPKI(t)
	for want, b := range map[string]string{
		"holds no PEM certificate":       "hello",
		"none of its certificates is s":  string(bundle(p.intermediate, p.leaf)),
		`entry 2 is a "PRIVATE KEY"`:     string(bundle(p.root)) + "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
		"certificate 1: x509: malformed": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
	} {
		if _, err := NewVerifier([]byte(b)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("NewVerifier() error = %v, want %q", err, want)
		}
	}
	for _, empty := range [][]byte{nil, {}, []byte(" \n")} {
		if v, err := NewVerifier(empty); err != nil || v.Pinned() {
			t.Errorf("NewVerifier(%q) = %v, want one that does not pin", empty, err)
		}
	}
}

func FuzzOpen(f *testing.F) {
	p := newPKI(f)
	good := sign(f, testContent, p.leaf, []*identity{p.intermediate})
	block, _ := pem.Decode([]byte(good.Payload))
	f.Add(block.Bytes)
	f.Add(bytes.Repeat([]byte{0x30, 0x80}, 100))
	if payload, err := os.ReadFile("testdata/segmented.pem"); err == nil {
		b, _ := pem.Decode(payload)
		f.Add(b.Bytes)
	}
	pinned, unpinned := verifier(f, bundle(p.root)), verifier(f, nil)
	f.Fuzz(func(t *testing.T, der []byte) {
		e := envelopeOf(der)
		if _, _, err := unpinned.Open(e); err != nil && strings.Contains(err.Error(), "\n") {
			t.Errorf("Open() error = %q, want one line", err)
		}
		var content []byte
		var signer Signer
		var err error
		allowance.Hold(t, func() { content, signer, err = pinned.Open(e) })
		if err == nil && (string(content) != testContent || !signer.Pinned) {
			t.Errorf("Open() = %q, %+v: content the pinned signer never signed", content, signer)
		}
	})
}
