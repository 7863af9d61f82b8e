import base64
import hashlib
import json

import requests

from harness import ACCOUNT, ENDPOINT, REGION, client, equal, refused, test, unique

MANIFEST = "application/vnd.oci.image.manifest.v1+json"


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def login(ecr):
    """A session that the registry lets in, as container tools log in."""
    data = ecr.get_authorization_token()["authorizationData"][0]
    user, password = base64.b64decode(data["authorizationToken"]).decode().split(":", 1)
    equal((user, data["proxyEndpoint"]), ("AWS", ENDPOINT))
    session = requests.Session()
    session.auth = (user, password)
    return session


def push(session, name, tag, layer=b"layer"):
    def blob(data):
        url = session.post(f"{ENDPOINT}/v2/{name}/blobs/uploads/").headers["Location"]
        equal(session.put(ENDPOINT + url, params={"digest": digest(data)}, data=data).status_code, 201)
        return {"mediaType": "application/octet-stream", "digest": digest(data), "size": len(data)}

    config = json.dumps({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": [digest(layer)]}}).encode()
    manifest = json.dumps({"schemaVersion": 2, "mediaType": MANIFEST, "config": blob(config), "layers": [blob(layer)]})
    answer = session.put(f"{ENDPOINT}/v2/{name}/manifests/{tag}", data=manifest, headers={"Content-Type": MANIFEST})
    equal(answer.status_code, 201)
    return manifest, answer.headers["Docker-Content-Digest"]


@test
def repositories():
    ecr = client("ecr")
    name = "smoke/" + unique("r")
    made = ecr.create_repository(repositoryName=name, tags=[{"Key": "a", "Value": "1"}])["repository"]
    equal((made["repositoryArn"], made["repositoryUri"]), (f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/{name}", ENDPOINT.split("://")[1] + "/" + name))
    refused("RepositoryAlreadyExistsException", 400, ecr.create_repository, repositoryName=name)
    refused("InvalidParameterException", 400, ecr.create_repository, repositoryName="UPPER")
    pages = ecr.get_paginator("describe_repositories").paginate(PaginationConfig={"PageSize": 1})
    equal(name in [r["repositoryName"] for p in pages for r in p["repositories"]], True)
    equal(ecr.list_tags_for_resource(resourceArn=made["repositoryArn"])["tags"], [{"Key": "a", "Value": "1"}])
    ecr.delete_repository(repositoryName=name)
    refused("RepositoryNotFoundException", 400, ecr.describe_repositories, repositoryNames=[name])


@test
def images():
    ecr = client("ecr")
    name = unique("r")
    ecr.create_repository(repositoryName=name)
    session = login(ecr)
    manifest, first = push(session, name, "one")
    push(session, name, "two", b"another layer")
    ecr.put_image(repositoryName=name, imageManifest=manifest, imageTag="again")
    refused("ImageAlreadyExistsException", 400, ecr.put_image, repositoryName=name, imageManifest=manifest, imageTag="again")
    refused("LayersNotFoundException", 400, ecr.put_image, repositoryName=name, imageManifest=manifest.replace(digest(b"layer"), digest(b"no")))
    ids = sorted(i["imageTag"] for p in ecr.get_paginator("list_images").paginate(repositoryName=name, PaginationConfig={"PageSize": 1}) for i in p["imageIds"])
    equal(ids, ["again", "one", "two"])
    detail = ecr.describe_images(repositoryName=name, imageIds=[{"imageTag": "one"}])["imageDetails"][0]
    equal((detail["imageDigest"], detail["imageTags"], detail["imageSizeInBytes"]), (first, ["again", "one"], 5))
    equal(ecr.batch_get_image(repositoryName=name, imageIds=[{"imageDigest": first}])["images"][0]["imageManifest"], manifest)
    url = ecr.get_download_url_for_layer(repositoryName=name, layerDigest=digest(b"layer"))["downloadUrl"]
    equal(requests.get(url).content, b"layer")
    gone = ecr.batch_delete_image(repositoryName=name, imageIds=[{"imageTag": "two"}, {"imageTag": "none"}])
    equal((len(gone["imageIds"]), gone["failures"][0]["failureCode"]), (1, "ImageNotFound"))
    refused("RepositoryNotEmptyException", 400, ecr.delete_repository, repositoryName=name)
    ecr.delete_repository(repositoryName=name, force=True)


@test
def layer_parts():
    ecr = client("ecr")
    name = unique("r")
    ecr.create_repository(repositoryName=name)
    first, last = b"x" * (5 << 20), b"end"
    upload = ecr.initiate_layer_upload(repositoryName=name)["uploadId"]
    ecr.upload_layer_part(repositoryName=name, uploadId=upload, partFirstByte=0, partLastByte=len(first) - 1, layerPartBlob=first)
    refused("InvalidLayerPartException", 400, ecr.upload_layer_part, repositoryName=name, uploadId=upload, partFirstByte=0, partLastByte=2, layerPartBlob=last)
    ecr.upload_layer_part(repositoryName=name, uploadId=upload, partFirstByte=len(first), partLastByte=len(first) + 2, layerPartBlob=last)
    refused("InvalidLayerException", 400, ecr.complete_layer_upload, repositoryName=name, uploadId=upload, layerDigests=[digest(b"no")])
    whole = digest(first + last)
    equal(ecr.complete_layer_upload(repositoryName=name, uploadId=upload, layerDigests=[whole])["layerDigest"], whole)
    equal(ecr.batch_check_layer_availability(repositoryName=name, layerDigests=[whole])["layers"][0]["layerSize"], len(first) + 3)


@test
def policies():
    ecr = client("ecr")
    name = unique("r")
    ecr.create_repository(repositoryName=name, imageTagMutability="IMMUTABLE")
    session = login(ecr)
    push(session, name, "one")
    equal(session.put(f"{ENDPOINT}/v2/{name}/manifests/one", data="{}").status_code, 400)
    refused("RepositoryPolicyNotFoundException", 400, ecr.get_repository_policy, repositoryName=name)
    policy = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "ecr:BatchGetImage"}]})
    ecr.set_repository_policy(repositoryName=name, policyText=policy)
    equal(ecr.get_repository_policy(repositoryName=name)["policyText"], policy)
    rule = {"rulePriority": 1, "description": "old ones", "selection": {"tagStatus": "untagged", "countType": "sinceImagePushed", "countUnit": "days", "countNumber": 14}, "action": {"type": "expire"}}
    ecr.put_lifecycle_policy(repositoryName=name, lifecyclePolicyText=json.dumps({"rules": [rule]}))
    refused("InvalidParameterException", 400, ecr.put_lifecycle_policy, repositoryName=name, lifecyclePolicyText=json.dumps({"rules": [rule, rule]}))
    equal(json.loads(ecr.get_lifecycle_policy(repositoryName=name)["lifecyclePolicyText"]), {"rules": [rule]})
    equal(requests.get(ENDPOINT + "/v2/").status_code, 401)
