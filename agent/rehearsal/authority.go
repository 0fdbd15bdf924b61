package rehearsal

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"time"

	"github.com/smallstep/pkcs7"
)

// certificateLife is how long certificates made here are valid. They live in memory and die with the process, so it
// only has to outlast the longest rehearsal, with room for hosts whose clocks are off.
const certificateLife = 7 * 24 * time.Hour

// identity is a certificate with its private key and the certificates above it, the nearest first.
type identity struct {
	certificate *x509.Certificate
	key         crypto.Signer
	parents     []*x509.Certificate
}

// newRoot makes a self-signed certificate authority.
func newRoot(name string, now time.Time) (*identity, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("cannot make a key for %q: %w", name, err)
	}
	template := authorityTemplate(name, now)
	return certify(template, template, key, key, nil)
}

// issueAuthority makes an intermediate authority below id.
func (id *identity) issueAuthority(name string, now time.Time) (*identity, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("cannot make a key for %q: %w", name, err)
	}
	return certify(authorityTemplate(name, now), id.certificate, key, id.key, id.chain())
}

// issueSigner makes a certificate that may sign deployment specifications. Its key is RSA because the service signs
// with RSA and SHA-256.
func (id *identity) issueSigner(name string, now time.Time) (*identity, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, fmt.Errorf("cannot make a key for %q: %w", name, err)
	}
	template := baseTemplate(name, now)
	template.KeyUsage = x509.KeyUsageDigitalSignature
	return certify(template, id.certificate, key, id.key, id.chain())
}

// issueServer makes a TLS server certificate for loopback.
func (id *identity) issueServer(now time.Time) (*identity, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("cannot make a key for the TLS server: %w", err)
	}
	template := baseTemplate("localhost", now)
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	template.DNSNames = []string{"localhost"}
	template.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}
	return certify(template, id.certificate, key, id.key, id.chain())
}

func baseTemplate(name string, now time.Time) *x509.Certificate {
	return &x509.Certificate{
		Subject:               pkix.Name{CommonName: name, Organization: []string{"CodeDeploy rehearsal"}},
		NotBefore:             now.Add(-24 * time.Hour),
		NotAfter:              now.Add(certificateLife),
		BasicConstraintsValid: true,
	}
}

func authorityTemplate(name string, now time.Time) *x509.Certificate {
	t := baseTemplate(name, now)
	t.IsCA = true
	t.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	return t
}

func certify(template, parent *x509.Certificate, key, parentKey crypto.Signer, parents []*x509.Certificate) (*identity, error) {
	name := template.Subject.CommonName
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, fmt.Errorf("cannot make a serial number for %q: %w", name, err)
	}
	template.SerialNumber = serial
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), parentKey)
	if err != nil {
		return nil, fmt.Errorf("cannot make a certificate for %q: %w", name, err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("cannot read back the certificate of %q: %w", name, err)
	}
	return &identity{certificate: certificate, key: key, parents: parents}, nil
}

// chain is the certificate itself and those above it.
func (id *identity) chain() []*x509.Certificate {
	return append([]*x509.Certificate{id.certificate}, id.parents...)
}

// pem is the certificate in PEM.
func (id *identity) pem() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: id.certificate.Raw})
}

func (id *identity) tlsCertificate() tls.Certificate {
	c := tls.Certificate{PrivateKey: id.key}
	for _, x := range id.chain() {
		c.Certificate = append(c.Certificate, x.Raw)
	}
	return c
}

// sign makes a PKCS#7 signed-data message in PEM that carries content, with SHA-256 and the whole chain inside.
func (id *identity) sign(content []byte) ([]byte, error) {
	message, err := pkcs7.NewSignedData(content)
	if err != nil {
		return nil, fmt.Errorf("cannot begin a PKCS#7 message: %w", err)
	}
	message.SetDigestAlgorithm(pkcs7.OIDDigestAlgorithmSHA256)
	if err := message.AddSignerChain(id.certificate, id.key, id.parents, pkcs7.SignerInfoConfig{}); err != nil {
		return nil, fmt.Errorf("cannot sign as %q: %w", id.certificate.Subject.CommonName, err)
	}
	der, err := message.Finish()
	if err != nil {
		return nil, fmt.Errorf("cannot finish the PKCS#7 message: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PKCS7", Bytes: der}), nil
}

// tamper changes content inside a signed message and leaves the signature as it was.
func tamper(message, content []byte) ([]byte, error) {
	block, _ := pem.Decode(message)
	if block == nil {
		return nil, fmt.Errorf("cannot tamper with the message: it is not PEM")
	}
	changed := bytes.Clone(content)
	// A letter near the end, in the hope of changing a value and leaving the JSON readable: a message that no longer
	// parses would be refused for the wrong reason.
	at := bytes.LastIndexFunc(changed, func(r rune) bool { return r >= 'a' && r <= 'y' })
	if at < 0 {
		return nil, fmt.Errorf("cannot tamper with the message: it has no letter to change")
	}
	changed[at]++
	der := bytes.Replace(block.Bytes, content, changed, 1)
	if bytes.Equal(der, block.Bytes) {
		return nil, fmt.Errorf("cannot tamper with the message: its content is not in one piece")
	}
	return pem.EncodeToMemory(&pem.Block{Type: block.Type, Bytes: der}), nil
}
