// Package s3 reads objects of S3 and of every store that speaks its protocol:
// "s3://bucket/prefix" is the folder of the objects whose keys begin with the prefix
// and a slash.
//
// Where and as whom it asks is what AWS's own tools take it to be: the variables
// AWS_ENDPOINT_URL(_S3), AWS_REGION, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and
// AWS_SESSION_TOKEN; AWS_PROFILE's section of ~/.aws/credentials and ~/.aws/config; the
// roles of containers and machines. With none of them it asks without a signature,
// as public buckets allow. A store with an endpoint of its own is asked with the
// bucket in the path.
//
// Each range is asked for with If-Match, so that another object under the same key
// is refused by the store.
package s3
