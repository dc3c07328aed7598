package main

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/gofiber/fiber/v3"
	"github.com/versity/versitygw/auth"
	"github.com/versity/versitygw/s3api/utils"
	"github.com/versity/versitygw/s3err"
)

// google is the name of Cloud Storage.
const google = "storage.googleapis.com"

// subresources are the parameters of a request that its signature covers, see
// https://docs.aws.amazon.com/AmazonS3/latest/API/RESTAuthentication.html.
var subresources = []string{
	"acl", "delete", "lifecycle", "location", "logging", "notification", "partNumber", "policy", "requestPayment",
	"response-cache-control", "response-content-disposition", "response-content-encoding", "response-content-language",
	"response-content-type", "response-expires", "tagging", "torrent", "uploadId", "uploads", "versionId", "versioning",
	"versions", "website",
}

// version2 accepts requests to Cloud Storage that are signed in version 2, as Google does:
// restic's S3 library uses no other version there. The gateway knows version 4 only, so a
// request with a valid signature gets one of version 4. Errors are S3's own.
func (k *keys) version2(ctx fiber.Ctx) error {
	scheme, given, _ := strings.Cut(ctx.Get("Authorization"), " ")
	if ctx.Hostname() != google || scheme != "AWS" && scheme != "GOOG1" {
		return nil
	}
	access, signature, _ := strings.Cut(given, ":")
	account, err := k.GetUserAccount(access)
	if errors.Is(err, auth.ErrNoSuchUser) {
		return s3err.GetInvalidAccessKeyIdErr(access)
	} else if err != nil {
		return err
	}
	target, err := url.Parse("https://" + google + ctx.OriginalURL())
	if err != nil {
		return s3err.GetAPIError(s3err.ErrInvalidURI)
	}
	r := &http.Request{Method: ctx.Method(), Host: google, URL: target, Header: http.Header{}}
	for name, value := range ctx.Request().Header.All() {
		r.Header.Add(string(name), string(value))
	}
	at, err := http.ParseTime(cmp.Or(r.Header.Get("X-Amz-Date"), r.Header.Get("Date")))
	if err != nil {
		return s3err.GetAPIError(s3err.ErrMissingDateHeader)
	}
	if err := utils.ValidateDate(at); err != nil {
		return err
	}
	text := textToSign(r)
	mac := hmac.New(sha1.New, []byte(account.Secret))
	mac.Write([]byte(text))
	if !hmac.Equal([]byte(signature), []byte(base64.StdEncoding.EncodeToString(mac.Sum(nil)))) {
		return s3err.GetSignatureDoesNotMatchErr(access, text, signature, "", "", "")
	}
	return signAgain(ctx, r, account)
}

// textToSign is what a signature of version 2 is made of.
func textToSign(r *http.Request) string {
	lines := []string{r.Method, r.Header.Get("Content-Md5"), r.Header.Get("Content-Type"), r.Header.Get("Date")}
	if r.Header.Get("X-Amz-Date") != "" {
		lines[3] = "" // X-Amz-Date is signed instead, below
	}
	var own []string
	for name, values := range r.Header {
		if name = strings.ToLower(name); strings.HasPrefix(name, "x-amz-") || strings.HasPrefix(name, "x-goog-") {
			own = append(own, name+":"+strings.Join(values, ","))
		}
	}
	slices.Sort(own)
	var parameters []string
	query := r.URL.Query()
	for _, name := range subresources {
		if !query.Has(name) {
			continue
		}
		if value := query.Get(name); value != "" {
			name += "=" + value
		}
		parameters = append(parameters, name)
	}
	resource := r.URL.EscapedPath()
	if len(parameters) > 0 {
		resource += "?" + strings.Join(parameters, "&")
	}
	return strings.Join(append(append(lines, own...), resource), "\n")
}

// signAgain replaces a request's signature by one of version 4.
func signAgain(ctx fiber.Ctx, r *http.Request, account auth.Account) error {
	const hash, unsigned = "X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD"
	for name := range r.Header {
		if !strings.HasPrefix(name, "X-Amz-") {
			r.Header.Del(name)
		}
	}
	r.Header.Set(hash, unsigned)
	err := v4.NewSigner().SignHTTP(ctx.Context(), aws.Credentials{AccessKeyID: account.Access, SecretAccessKey: account.Secret},
		r, unsigned, "s3", "auto", time.Now().UTC(), func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })
	if err != nil {
		return err
	}
	for _, name := range []string{hash, "X-Amz-Date", "Authorization"} {
		ctx.Request().Header.Set(name, r.Header.Get(name))
	}
	return nil
}
