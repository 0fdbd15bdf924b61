package command

import (
	"bytes"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/smallstep/pkcs7"
)

// FormatPKCS7 is the only format in which the service sends deployment specifications.
const FormatPKCS7 = "PKCS7/JSON"

const (
	// maxEnvelope bounds a signed message as PEM. An honest one has a few kilobytes.
	maxEnvelope = 384 << 10
	// maxCertificates bounds the certificates in a message, maxRSA the size of an RSA key in bits: checking signatures
	// of absurd keys takes minutes.
	maxCertificates = 16
	maxRSA          = 8192

	// signingPast and signingFuture are how far the signing time of a message may be from now to be believed.
	signingPast   = 24 * time.Hour
	signingFuture = 15 * time.Minute
)

// Envelope is content in a named format, as the service sends and receives it.
type Envelope struct {
	Format, Payload string
}

// Signer is the certificate a message was signed with.
type Signer struct {
	Subject, Issuer string
	Fingerprint     string // SHA-256 of the certificate, lower-case hexadecimal
	NotAfter        time.Time
	// Pinned says that the certificate was checked against the operator's bundle. When it is false anybody may have made
	// the certificate, and only the TLS connection vouches for the message.
	Pinned bool
}

// Verifier opens envelopes. It is safe for concurrent use.
//
// Without a bundle it checks what the official agents check: that the content was signed with the certificate in the
// message. That certificate's validity is not looked at, because nothing vouches for it.
//
// With a bundle the certificate must also chain to a self-signed certificate of the bundle; the other certificates of
// the bundle and those of the message may be links in between. The name of the signer is not compared, so the bundle
// must not name a public authority, which issues certificates to everybody, but the one that issues to the service, or
// the signer itself if that is self-signed. SHA-1 is refused.
//
// The chain must be valid at the signing time that the message carries if that is within the last 24 hours and not more
// than 15 minutes ahead, else now. A specification that was signed just before a certificate ended, or that reaches a
// host whose clock is late, can so be opened, while whoever gets hold of an expired key can use it for a day and no
// longer: the signing time is the signer's claim.
type Verifier struct {
	roots, intermediates *x509.CertPool // nil: not pinned
	now                  func() time.Time
}

// NewVerifier reads a bundle of PEM certificates (deployment_signer_ca_file). An empty bundle does not pin.
func NewVerifier(pemBundle []byte) (*Verifier, error) {
	v := &Verifier{now: time.Now}
	if len(bytes.TrimSpace(pemBundle)) == 0 {
		return v, nil
	}
	v.roots, v.intermediates = x509.NewCertPool(), x509.NewCertPool()
	count, anchors := 0, 0
	for rest := pemBundle; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		count++
		if block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("cannot use the bundle of deployment signers: entry %d is a %q, not a CERTIFICATE", count, oneLine(block.Type, 40))
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("cannot use the bundle of deployment signers: certificate %d: %w", count, err)
		}
		if selfSigned(c) {
			v.roots.AddCert(c)
			anchors++
		} else {
			v.intermediates.AddCert(c)
		}
	}
	switch {
	case count == 0:
		return nil, errors.New("cannot use the bundle of deployment signers: it holds no PEM certificate")
	case anchors == 0:
		return nil, errors.New("cannot use the bundle of deployment signers: none of its certificates is self-signed; add the root")
	}
	return v, nil
}

// Pinned says whether the verifier checks who signed.
func (v *Verifier) Pinned() bool { return v.roots != nil }

func selfSigned(c *x509.Certificate) bool {
	return bytes.Equal(c.RawSubject, c.RawIssuer) && c.CheckSignature(c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature) == nil
}

// Open verifies an envelope from the service and returns its content. Unsigned formats are refused: the official agents
// accept them in local deployments only, which do not come through here.
func (v *Verifier) Open(e *Envelope) (content []byte, signer Signer, err error) {
	if e == nil {
		return nil, Signer{}, errors.New("cannot open the deployment specification: the service sent none")
	}
	content, signer, err = v.open(*e)
	if err != nil {
		return nil, Signer{}, fmt.Errorf("cannot open the deployment specification: %w", err)
	}
	return content, signer, nil
}

func (v *Verifier) open(e Envelope) ([]byte, Signer, error) {
	switch {
	case e.Format == "TEXT/JSON" || e.Format == "JSON":
		return nil, Signer{}, fmt.Errorf("it is not signed (format %s)", e.Format)
	case e.Format != FormatPKCS7:
		return nil, Signer{}, fmt.Errorf("its format %q is not known, only %s is", oneLine(e.Format, 64), FormatPKCS7)
	case strings.TrimSpace(e.Payload) == "":
		return nil, Signer{}, errors.New("its payload is empty")
	case len(e.Payload) > maxEnvelope:
		return nil, Signer{}, fmt.Errorf("its payload has %d bytes, more than the %d allowed", len(e.Payload), maxEnvelope)
	}
	block, _ := pem.Decode([]byte(e.Payload))
	if block == nil {
		return nil, Signer{}, errors.New("its payload is not PEM")
	}
	if block.Type != "PKCS7" && block.Type != "CMS" {
		return nil, Signer{}, fmt.Errorf("its payload is a PEM %q, not a PKCS7", oneLine(block.Type, 40))
	}
	message, err := parse(block.Bytes)
	if err != nil {
		return nil, Signer{}, fmt.Errorf("its payload is not a PKCS #7 message: %w", err)
	}
	certificate, err := verify(message)
	if err != nil {
		return nil, Signer{}, err
	}
	sum := sha256.Sum256(certificate.Raw)
	signer := Signer{Subject: oneLine(certificate.Subject.String(), 300), Issuer: oneLine(certificate.Issuer.String(), 300),
		Fingerprint: hex.EncodeToString(sum[:]), NotAfter: certificate.NotAfter}
	if v.Pinned() {
		if err := v.chain(message, certificate); err != nil {
			return nil, Signer{}, fmt.Errorf("its signer %s (SHA-256 %s) is not one of the pinned ones: %w", signer.Subject, signer.Fingerprint, err)
		}
		signer.Pinned = true
	}
	return message.Content, signer, nil
}

// parse guards the parser, which was not written for hostile input.
func parse(der []byte) (message *pkcs7.PKCS7, err error) {
	if err := checkBER(der); err != nil {
		return nil, err
	}
	defer func() {
		if p := recover(); p != nil {
			message, err = nil, fmt.Errorf("the parser failed: %v", p)
		}
	}()
	return pkcs7.Parse(der)
}

// verify checks that the content was signed by the one certificate it returns.
func verify(message *pkcs7.PKCS7) (certificate *x509.Certificate, err error) {
	switch {
	case len(message.Signers) == 0:
		return nil, errors.New("it is not signed")
	case len(message.Signers) > 1:
		return nil, fmt.Errorf("it has %d signers instead of one", len(message.Signers))
	case len(message.Content) == 0:
		return nil, errors.New("it carries no content, only a signature")
	case len(message.Certificates) > maxCertificates:
		return nil, fmt.Errorf("it carries %d certificates, more than the %d allowed", len(message.Certificates), maxCertificates)
	}
	certificate = message.GetOnlySigner()
	if certificate == nil {
		return nil, errors.New("it does not carry the certificate of its signer")
	}
	for _, c := range message.Certificates {
		if key, ok := c.PublicKey.(*rsa.PublicKey); ok && key.N.BitLen() > maxRSA {
			return nil, fmt.Errorf("it carries an RSA key of %d bits, more than the %d allowed", key.N.BitLen(), maxRSA)
		}
	}
	// Verify also refuses a signing time outside the certificate's validity. Whether that matters is for chain to say, so
	// it gets certificates that are always valid.
	message = &pkcs7.PKCS7{Content: message.Content, Signers: message.Signers, Certificates: timeless(message.Certificates)}
	defer func() {
		if p := recover(); p != nil {
			certificate, err = nil, fmt.Errorf("its signature cannot be checked: %v", p)
		}
	}()
	if err := message.Verify(); err != nil {
		var digest *pkcs7.MessageDigestMismatchError
		if errors.As(err, &digest) {
			return nil, errors.New("its content was changed after it was signed")
		}
		return nil, fmt.Errorf("its signature is not valid: %s", strings.TrimPrefix(oneLine(err.Error(), 300), "pkcs7: "))
	}
	return certificate, nil
}

func timeless(certificates []*x509.Certificate) []*x509.Certificate {
	out := make([]*x509.Certificate, len(certificates))
	for i, c := range certificates {
		copied := *c
		copied.NotBefore, copied.NotAfter = time.Time{}, time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)
		out[i] = &copied
	}
	return out
}

// chain checks the signer against the bundle. The library's own chain check makes an anchor of every certificate in the
// bundle and takes the signing time for granted.
func (v *Verifier) chain(message *pkcs7.PKCS7, signer *x509.Certificate) error {
	if a := message.Signers[0].DigestAlgorithm.Algorithm; a.Equal(pkcs7.OIDDigestAlgorithmSHA1) {
		return errors.New("it signs with SHA-1")
	}
	links := v.intermediates.Clone()
	for _, c := range message.Certificates {
		links.AddCert(c)
	}
	at := v.now()
	var signed time.Time
	if err := message.UnmarshalSignedAttribute(pkcs7.OIDAttributeSigningTime, &signed); err == nil {
		if signed.After(at.Add(-signingPast)) && signed.Before(at.Add(signingFuture)) {
			at = signed
		}
	}
	_, err := signer.Verify(x509.VerifyOptions{
		Roots:         v.roots,
		Intermediates: links,
		KeyUsages:     []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
		CurrentTime:   at,
	})
	var invalid x509.CertificateInvalidError
	if errors.As(err, &invalid) && invalid.Reason == x509.Expired && invalid.Cert != nil {
		return fmt.Errorf("the certificate %s is valid from %s to %s, not at %s", oneLine(invalid.Cert.Subject.String(), 200),
			invalid.Cert.NotBefore.Format(time.RFC3339), invalid.Cert.NotAfter.Format(time.RFC3339), at.UTC().Format(time.RFC3339))
	}
	return err
}
