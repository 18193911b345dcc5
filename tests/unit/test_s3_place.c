/* SPDX-License-Identifier: Apache-2.0 */
/* Where requests go and what signs them: every provider of the table by its URL, Amazon's own
 * signature examples. */
#include "config.h"

#include "engine/conf/conf.h"
#include "engine/store/digest.h"
#include "engine/store/s3_place.h"
#include "engine/store/sigv4.h"
#include "tests/lib/tap.h"

static struct ls_err err;

static void
test_places(void)
{
	static const struct {
		const char *url;
		const char *origin, *base, *region, *path, *provider;
		unsigned flags, concurrency;
	} c[] = {
		{"s3://bkt/p", "https://bkt.s3.us-east-1.amazonaws.com", "", "us-east-1", "p",
		 "Amazon S3", S3_SIGN_PAYLOAD, 5},
		{"s3://bkt/p?region=eu-central-1", "https://bkt.s3.eu-central-1.amazonaws.com", "",
		 "eu-central-1", "p", "Amazon S3", S3_SIGN_PAYLOAD, 5},
		{"s3://bkt.s3.eu-west-1.amazonaws.com/a/b/",
		 "https://bkt.s3.eu-west-1.amazonaws.com", "", "eu-west-1", "a/b", "Amazon S3",
		 S3_SIGN_PAYLOAD, 5},
		{"s3://bkt.s3.amazonaws.com", "https://bkt.s3.us-east-1.amazonaws.com", "",
		 "us-east-1", ".", "Amazon S3", S3_SIGN_PAYLOAD, 5},
		{"s3://bkt/p?region=cn-north-1", "https://bkt.s3.cn-north-1.amazonaws.com.cn", "",
		 "cn-north-1", "p", "Amazon S3", S3_SIGN_PAYLOAD, 5},
		{"s3://my.dotted.bkt/p", "https://s3.us-east-1.amazonaws.com", "/my.dotted.bkt",
		 "us-east-1", "p", "Amazon S3", S3_SIGN_PAYLOAD, 5},
		{"s3://bkt/p?forcePathStyle=true", "https://s3.us-east-1.amazonaws.com", "/bkt",
		 "us-east-1", "p", "Amazon S3", S3_SIGN_PAYLOAD, 5},
		{"s3://bkt/p?sign-payload=false", "https://bkt.s3.us-east-1.amazonaws.com", "",
		 "us-east-1", "p", "Amazon S3", 0, 5},
		{"s3://arn:aws:s3:us-west-2:123456789012:accesspoint/my-ap/db/x",
		 "https://my-ap-123456789012.s3-accesspoint.us-west-2.amazonaws.com", "",
		 "us-west-2", "db/x", "Amazon S3", S3_SIGN_PAYLOAD, 5},
		{"s3://bkt/p?endpoint=https://acct.r2.cloudflarestorage.com",
		 "https://acct.r2.cloudflarestorage.com", "/bkt", "us-east-1", "p", "Cloudflare R2",
		 S3_SIGN_PAYLOAD, 2},
		{"s3://bkt/p?endpoint=acct.eu.r2.cloudflarestorage.com&region=auto",
		 "https://acct.eu.r2.cloudflarestorage.com", "/bkt", "auto", "p", "Cloudflare R2",
		 S3_SIGN_PAYLOAD, 2},
		{"s3://bkt.s3.us-west-002.backblazeb2.com/p",
		 "https://s3.us-west-002.backblazeb2.com", "/bkt", "us-west-002", "p",
		 "Backblaze B2", S3_SIGN_PAYLOAD | S3_NO_CONDITION | S3_HIDES_DELETED, 5},
		{"s3://bkt.nyc3.digitaloceanspaces.com/p", "https://nyc3.digitaloceanspaces.com",
		 "/bkt", "nyc3", "p", "DigitalOcean Spaces", S3_SIGN_PAYLOAD, 5},
		{"s3://bkt.s3.filebase.com/p", "https://s3.filebase.com", "/bkt", "us-east-1", "p",
		 "Filebase", S3_SIGN_PAYLOAD, 5},
		{"s3://bkt.s3.nl-ams.scw.cloud/p", "https://s3.nl-ams.scw.cloud", "/bkt", "nl-ams",
		 "p", "Scaleway", S3_SIGN_PAYLOAD, 5},
		{"s3://bkt.eu-central-1.linodeobjects.com/p",
		 "https://eu-central-1.linodeobjects.com", "/bkt", "eu-central-1", "p", "Linode",
		 S3_SIGN_PAYLOAD, 5},
		{"s3://bkt/p?endpoint=https://fly.storage.tigris.dev",
		 "https://fly.storage.tigris.dev", "/bkt", "us-east-1", "p", "Tigris",
		 S3_SIGN_PAYLOAD | S3_NO_MD5 | S3_TIGRIS, 5},
		{"s3://bkt/p?endpoint=t3.storage.dev", "https://t3.storage.dev", "/bkt",
		 "us-east-1", "p", "Tigris", S3_SIGN_PAYLOAD | S3_NO_MD5 | S3_TIGRIS, 5},
		{"s3://bkt/p?endpoint=https://fsn1.your-objectstorage.com",
		 "https://fsn1.your-objectstorage.com", "/bkt", "us-east-1", "p", "Hetzner",
		 S3_SIGN_PAYLOAD, 5},
		{"s3://bkt/p?endpoint=https://ref.supabase.co/storage/v1/s3/",
		 "https://ref.supabase.co", "/storage/v1/s3/bkt", "us-east-1", "p", "Supabase",
		 S3_SIGN_PAYLOAD, 5},
		{"s3://bkt/p?endpoint=https://s3.eu-central-1.wasabisys.com&region=eu-central-1",
		 "https://s3.eu-central-1.wasabisys.com", "/bkt", "eu-central-1", "p", "Wasabi",
		 S3_SIGN_PAYLOAD, 5},
		{"s3://bkt/p?endpoint=https://storage.googleapis.com",
		 "https://storage.googleapis.com", "/bkt", "us-east-1", "p", "Google Cloud Storage",
		 S3_SIGN_PAYLOAD | S3_NO_CONDITION | S3_SINGLE_DELETE, 5},
		{"s3://bkt.minio.lan:9000/p", "http://minio.lan:9000", "/bkt", "us-east-1", "p",
		 "this endpoint", S3_SIGN_PAYLOAD, 5},
		{"s3://bkt/p?endpoint=localhost:9000", "http://localhost:9000", "/bkt", "us-east-1",
		 "p", "this endpoint", S3_SIGN_PAYLOAD, 5},
		{"s3://bkt/p?endpoint=192.168.1.5:9000&force-path-style=false",
		 "http://bkt.192.168.1.5:9000", "", "us-east-1", "p", "this endpoint",
		 S3_SIGN_PAYLOAD, 5},
		{"s3://bkt/p?endpoint=https://"
		 "ceph.example.com&concurrency=9&requireContentMD5=false",
		 "https://ceph.example.com", "/bkt", "us-east-1", "p", "this endpoint",
		 S3_SIGN_PAYLOAD | S3_NO_MD5, 9},
	};

	for (size_t i = 0; i < sizeof c / sizeof c[0]; i++) {
		struct conf_replica r = {0};
		struct s3_place p = {0};

		if (conf_replica_from_url(c[i].url, &r, &err) < 0 ||
		    s3_place_find(r.s3, &p, &err) < 0) {
			ok(false, "%s: %s", c[i].url, err.msg);
			continue;
		}
		ok(strcmp(p.origin, c[i].origin) == 0 && strcmp(p.base, c[i].base) == 0, "%s: %s%s",
		   c[i].url, p.origin, p.base);
		ok(strcmp(p.region, c[i].region) == 0 && strcmp(r.s3->path, c[i].path) == 0,
		   "region %s, path %s", p.region, r.s3->path);
		ok(strcmp(p.provider, c[i].provider) == 0 && p.flags == c[i].flags &&
			   p.concurrency == c[i].concurrency,
		   "%s, flags %x, concurrency %u", p.provider, p.flags, p.concurrency);
		s3_place_done(&p);
		conf_replica_done(&r);
	}
}

static void
test_refusals(void)
{
	static const struct {
		const char *url, *text;
	} c[] = {
		{"s3://arn:aws:s3-outposts:us-west-2:1:outpost/op/x", "no access point"},
		{"s3://bkt--use1-az4--x-s3/p", "directory bucket"},
		{"s3://minio:9000/p", "bucket required"},
		{"s3:///p", "bucket required"},
		{"s3://bkt/p?endpoint=ftp://x", "http[s]://HOST"},
		{"s3://bkt/p?endpoint=https://user:pw@x", "without user"},
		{"s3://bkt/p?partSize=1000", "part-size must be at least"},
		{"s3://bkt/p?partSize=5MiB", "invalid value for query parameter partSize"},
		{"s3://bkt/p?concurrency=-1", "invalid value for query parameter concurrency"},
	};

	for (size_t i = 0; i < sizeof c / sizeof c[0]; i++) {
		struct conf_replica r = {0};

		is_int(conf_replica_from_url(c[i].url, &r, &err), -EINVAL, c[i].url);
		ok(strstr(err.msg, c[i].text) != NULL, "%s", err.msg);
	}
}

/* The examples of "Authenticating Requests: Using the Authorization Header". */
static void
test_signatures(void)
{
	static const char empty[] =
		"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
	static const struct {
		const char *method, *path, *query;
		struct sigv4_pair headers[5];
		size_t n;
		const char *payload, *signature;
	} c[] = {
		{"GET",
		 "/test.txt",
		 "",
		 {{"host", "examplebucket.s3.amazonaws.com"},
		  {"range", "bytes=0-9"},
		  {"x-amz-content-sha256", empty},
		  {"x-amz-date", "20130524T000000Z"}},
		 4,
		 empty,
		 "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"},
		{"PUT",
		 "/test%24file.text",
		 "",
		 {{"date", "Fri, 24 May 2013 00:00:00 GMT"},
		  {"host", "examplebucket.s3.amazonaws.com"},
		  {"x-amz-content-sha256",
		   "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072"},
		  {"x-amz-date", "20130524T000000Z"},
		  {"x-amz-storage-class", "REDUCED_REDUNDANCY"}},
		 5,
		 "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072",
		 "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"},
		{"GET",
		 "/",
		 "lifecycle=",
		 {{"host", "examplebucket.s3.amazonaws.com"},
		  {"x-amz-content-sha256", empty},
		  {"x-amz-date", "20130524T000000Z"}},
		 3,
		 empty,
		 "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"},
		{"GET",
		 "/",
		 "max-keys=2&prefix=J",
		 {{"host", "examplebucket.s3.amazonaws.com"},
		  {"x-amz-content-sha256", empty},
		  {"x-amz-date", "20130524T000000Z"}},
		 3,
		 empty,
		 "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"},
	};

	for (size_t i = 0; i < sizeof c / sizeof c[0]; i++) {
		struct sigv4_request q = {.method = c[i].method,
					  .path = c[i].path,
					  .query = c[i].query,
					  .headers = c[i].headers,
					  .nheaders = c[i].n,
					  .payload = c[i].payload,
					  .region = "us-east-1",
					  .service = "s3",
					  .time = 1369353600};
		char auth[SIGV4_AUTH_MAX] = "";

		is_int(sigv4_sign(&q, "AKIAIOSFODNN7EXAMPLE",
				  "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", auth, &err),
		       0, "sign");
		is_str(strstr(auth, "Signature=") ? strstr(auth, "Signature=") + 10 : auth,
		       c[i].signature, "the published signature");
	}
}

static void
test_encoding(void)
{
	struct sigv4_pair v[] = {{"prefix", "a b/\xc3\xa9"}, {"list-type", "2"}, {"delete", ""}};
	LS_AUTO(ls_buf_done) struct ls_buf b;
	static const char *const texts[] = {"", "f", "fo", "foo", "foob", "fooba", "foobar"};
	static const char *const base64[] = {"",	 "Zg==",     "Zm8=",	"Zm9v",
					     "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"};

	ls_buf_init(&b, 1000);
	is_int(sigv4_query(v, 3, &b, &err), 0, "a query");
	is_str(ls_buf_cstr(&b), "delete=&list-type=2&prefix=a%20b%2F%C3%A9", "sorted and encoded");
	for (size_t i = 0; i < 7; i++) {
		char out[16];
		uint8_t back[8];
		size_t n = 99;

		digest_base64((const uint8_t *)texts[i], strlen(texts[i]), out);
		is_str(out, base64[i], "base64");
		ok(digest_unbase64(out, back, sizeof back, &n) == 0 && n == strlen(texts[i]) &&
			   memcmp(back, texts[i], n) == 0,
		   "and back");
	}
	ok(digest_unbase64("Zg=", (uint8_t[8]){0}, 8, &(size_t){0}) < 0 &&
		   digest_unbase64("Z===", (uint8_t[8]){0}, 8, &(size_t){0}) < 0 &&
		   digest_unbase64("Zm9v!bar", (uint8_t[8]){0}, 8, &(size_t){0}) < 0 &&
		   digest_unbase64("Zm9v", (uint8_t[2]){0}, 2, &(size_t){0}) < 0,
	   "broken base64 is refused");
}

int
main(void)
{
	unsetenv("LITESTREAM_S3_ENDPOINT");
	unsetenv("AWS_USE_FIPS_ENDPOINT");
	unsetenv("AWS_USE_DUALSTACK_ENDPOINT");
	test_places();
	test_refusals();
	test_signatures();
	test_encoding();
	return tap_done();
}
