package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	ddb "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3t "github.com/aws/aws-sdk-go-v2/service/s3/types"
)

func makeBucket(ctx context.Context) (*s3.Client, *string, error) {
	c, name := s3.NewFromConfig(sdk()), aws.String(unique("bucket"))
	_, err := c.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: name})
	return c, name, err
}

func read(ctx context.Context, c *s3.Client, in *s3.GetObjectInput) (string, error) {
	out, err := c.GetObject(ctx, in)
	if err != nil {
		return "", err
	}
	defer out.Body.Close()
	text, err := io.ReadAll(out.Body)
	return string(text), err
}

func s3Objects(ctx context.Context) error {
	c, bucket, err := makeBucket(ctx)
	if err != nil {
		return err
	}
	key := aws.String("a b/ü+c.txt")
	if _, err := c.PutObject(ctx, &s3.PutObjectInput{Bucket: bucket, Key: key, Body: strings.NewReader("hello"), Metadata: map[string]string{"who": "ada"}}); err != nil {
		return err
	}
	got, err := read(ctx, c, &s3.GetObjectInput{Bucket: bucket, Key: key, ChecksumMode: s3t.ChecksumModeEnabled})
	if err != nil {
		return err
	}
	head, err := c.HeadObject(ctx, &s3.HeadObjectInput{Bucket: bucket, Key: key})
	if err != nil {
		return err
	}
	list, err := c.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: bucket, Prefix: aws.String("a b/")})
	if err != nil {
		return err
	}
	_, missing := c.GetObject(ctx, &s3.GetObjectInput{Bucket: bucket, Key: aws.String("none")})
	var noSuchKey *s3t.NoSuchKey
	if !errors.As(missing, &noSuchKey) {
		return fmt.Errorf("a missing key: %w", missing)
	}
	_, full := c.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: bucket})
	return errors.Join(equal(got, "hello"), equal(head.Metadata["who"], "ada"), equal(len(list.Contents), 1), refused(full, "BucketNotEmpty", 409))
}

func s3Multipart(ctx context.Context) error {
	c, bucket, err := makeBucket(ctx)
	if err != nil {
		return err
	}
	key := aws.String("big")
	up, err := c.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: bucket, Key: key, ChecksumAlgorithm: s3t.ChecksumAlgorithmCrc64nvme})
	if err != nil {
		return err
	}
	const partBytes = 5 << 20
	bodies := [][]byte{bytes.Repeat([]byte("a"), partBytes), []byte("the end")}
	var parts []s3t.CompletedPart
	for i, body := range bodies {
		n := aws.Int32(int32(i + 1))
		out, err := c.UploadPart(ctx, &s3.UploadPartInput{Bucket: bucket, Key: key, UploadId: up.UploadId, PartNumber: n, Body: bytes.NewReader(body), ChecksumAlgorithm: s3t.ChecksumAlgorithmCrc64nvme})
		if err != nil {
			return err
		}
		parts = append(parts, s3t.CompletedPart{PartNumber: n, ETag: out.ETag, ChecksumCRC64NVME: out.ChecksumCRC64NVME})
	}
	if _, err := c.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{Bucket: bucket, Key: key, UploadId: up.UploadId, MultipartUpload: &s3t.CompletedMultipartUpload{Parts: parts}}); err != nil {
		return err
	}
	got, err := read(ctx, c, &s3.GetObjectInput{Bucket: bucket, Key: key, ChecksumMode: s3t.ChecksumModeEnabled})
	if err != nil {
		return err
	}
	return equal(got == string(bodies[0])+string(bodies[1]), true)
}

func s3Site(ctx context.Context) error {
	c, bucket, err := makeBucket(ctx)
	if err != nil {
		return err
	}
	if _, err := c.PutBucketVersioning(ctx, &s3.PutBucketVersioningInput{Bucket: bucket, VersioningConfiguration: &s3t.VersioningConfiguration{Status: s3t.BucketVersioningStatusEnabled}}); err != nil {
		return err
	}
	key := aws.String("index.html")
	first, err := c.PutObject(ctx, &s3.PutObjectInput{Bucket: bucket, Key: key, Body: strings.NewReader("old")})
	if err != nil {
		return err
	}
	if _, err := c.PutObject(ctx, &s3.PutObjectInput{Bucket: bucket, Key: key, Body: strings.NewReader("new"), ContentType: aws.String("text/html")}); err != nil {
		return err
	}
	old, err := read(ctx, c, &s3.GetObjectInput{Bucket: bucket, Key: key, VersionId: first.VersionId})
	if err != nil {
		return err
	}
	link, err := s3.NewPresignClient(c).PresignGetObject(ctx, &s3.GetObjectInput{Bucket: bucket, Key: key})
	if err != nil {
		return err
	}
	_, linked, err := fetch(ctx, link.URL, "")
	if err != nil {
		return err
	}
	return errors.Join(equal(old, "old"), equal(linked, "new"), publish(ctx, c, bucket))
}

// publish makes the bucket a website and looks at it.
func publish(ctx context.Context, c *s3.Client, bucket *string) error {
	if _, err := c.DeletePublicAccessBlock(ctx, &s3.DeletePublicAccessBlockInput{Bucket: bucket}); err != nil {
		return err
	}
	policy := asJSON(object{"Version": "2012-10-17", "Statement": []object{{"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::" + *bucket + "/*"}}})
	if _, err := c.PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: bucket, Policy: policy}); err != nil {
		return err
	}
	site := &s3t.WebsiteConfiguration{IndexDocument: &s3t.IndexDocument{Suffix: aws.String("index.html")}}
	if _, err := c.PutBucketWebsite(ctx, &s3.PutBucketWebsiteInput{Bucket: bucket, WebsiteConfiguration: site}); err != nil {
		return err
	}
	status, text, err := fetch(ctx, endpoint()+"/", *bucket+".s3-website-"+region+".amazonaws.com")
	if err != nil {
		return err
	}
	return errors.Join(equal(status, 200), equal(text, "new"))
}

func endpoint() string { return os.Getenv("AWS_ENDPOINT_URL") }

// fetch is a plain GET under a host name.
func fetch(ctx context.Context, url, host string) (int, string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, "", err
	}
	req.Host = host
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text), err
}

func makeTable(ctx context.Context) (*dynamodb.Client, *string, error) {
	c, name := dynamodb.NewFromConfig(sdk()), aws.String(unique("table"))
	_, err := c.CreateTable(ctx, &dynamodb.CreateTableInput{
		TableName: name, BillingMode: ddb.BillingModePayPerRequest,
		AttributeDefinitions: []ddb.AttributeDefinition{{AttributeName: aws.String("pk"), AttributeType: ddb.ScalarAttributeTypeS}, {AttributeName: aws.String("sk"), AttributeType: ddb.ScalarAttributeTypeN}},
		KeySchema:            []ddb.KeySchemaElement{{AttributeName: aws.String("pk"), KeyType: ddb.KeyTypeHash}, {AttributeName: aws.String("sk"), KeyType: ddb.KeyTypeRange}},
	})
	if err != nil {
		return nil, nil, err
	}
	wait := dynamodb.NewTableExistsWaiter(c, func(o *dynamodb.TableExistsWaiterOptions) { o.MinDelay, o.MaxDelay = pollEvery, time.Second })
	return c, name, wait.Wait(ctx, &dynamodb.DescribeTableInput{TableName: name}, patience)
}

type item = map[string]ddb.AttributeValue

func s(v string) ddb.AttributeValue { return &ddb.AttributeValueMemberS{Value: v} }
func n(v string) ddb.AttributeValue { return &ddb.AttributeValueMemberN{Value: v} }

func dynamoItems(ctx context.Context) error {
	c, table, err := makeTable(ctx)
	if err != nil {
		return err
	}
	key := item{"pk": s("a"), "sk": n("1")}
	put := &dynamodb.PutItemInput{TableName: table, Item: item{"pk": s("a"), "sk": n("1"), "n": n("41"), "b": &ddb.AttributeValueMemberB{Value: []byte{0, 255}}}, ConditionExpression: aws.String("attribute_not_exists(pk)")}
	if _, err := c.PutItem(ctx, put); err != nil {
		return err
	}
	_, again := c.PutItem(ctx, put)
	up, err := c.UpdateItem(ctx, &dynamodb.UpdateItemInput{TableName: table, Key: key, UpdateExpression: aws.String("ADD n :one"), ConditionExpression: aws.String("n = :was"), ExpressionAttributeValues: item{":one": n("1"), ":was": n("41")}, ReturnValues: ddb.ReturnValueUpdatedNew})
	if err != nil {
		return err
	}
	got, err := c.GetItem(ctx, &dynamodb.GetItemInput{TableName: table, Key: key, ConsistentRead: aws.Bool(true)})
	if err != nil {
		return err
	}
	_, lost := c.GetItem(ctx, &dynamodb.GetItemInput{TableName: aws.String(unique("none")), Key: key})
	return errors.Join(
		refused(again, "ConditionalCheckFailedException", 400), equal(up.Attributes["n"].(*ddb.AttributeValueMemberN).Value, "42"),
		equal(got.Item["b"].(*ddb.AttributeValueMemberB).Value, []byte{0, 255}), refused(lost, "ResourceNotFoundException", 400))
}

func dynamoQueries(ctx context.Context) error {
	c, table, err := makeTable(ctx)
	if err != nil {
		return err
	}
	var writes []ddb.WriteRequest
	for i := range 20 {
		writes = append(writes, ddb.WriteRequest{PutRequest: &ddb.PutRequest{Item: item{"pk": s("p"), "sk": n(fmt.Sprint(i))}}})
	}
	if _, err := c.BatchWriteItem(ctx, &dynamodb.BatchWriteItemInput{RequestItems: map[string][]ddb.WriteRequest{*table: writes}}); err != nil {
		return err
	}
	out, err := c.Query(ctx, &dynamodb.QueryInput{TableName: table, KeyConditionExpression: aws.String("pk = :p AND sk >= :n"), ExpressionAttributeValues: item{":p": s("p"), ":n": n("9")}})
	if err != nil {
		return err
	}
	count := 0
	pages := dynamodb.NewScanPaginator(c, &dynamodb.ScanInput{TableName: table, Limit: aws.Int32(7)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return err
		}
		count += int(page.Count)
	}
	return errors.Join(equal(out.Count, int32(11)), equal(out.Items[0]["sk"].(*ddb.AttributeValueMemberN).Value, "9"), equal(count, 20))
}
