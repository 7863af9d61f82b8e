import hashlib
import json

from harness import ACCOUNT, REGION, client, equal, refused, test, unique


@test
def encrypt_decrypt_rotate():
    kms = client("kms")
    key = kms.create_key(Description="smoke", Tags=[{"TagKey": "a", "TagValue": "1"}])["KeyMetadata"]
    equal((key["KeyState"], key["KeySpec"], key["Arn"]), ("Enabled", "SYMMETRIC_DEFAULT", f"arn:aws:kms:{REGION}:{ACCOUNT}:key/{key['KeyId']}"))
    alias = "alias/" + unique("k")
    kms.create_alias(AliasName=alias, TargetKeyId=key["KeyId"])
    context = {"purpose": "smoke"}
    blob = kms.encrypt(KeyId=alias, Plaintext=b"hello", EncryptionContext=context)["CiphertextBlob"]
    kms.rotate_key_on_demand(KeyId=key["KeyId"])
    got = kms.decrypt(CiphertextBlob=blob, EncryptionContext=context)
    equal((got["Plaintext"], got["KeyId"]), (b"hello", key["Arn"]))
    refused("InvalidCiphertextException", 400, kms.decrypt, CiphertextBlob=blob)
    data = kms.generate_data_key(KeyId=alias, KeySpec="AES_256")
    equal(kms.decrypt(CiphertextBlob=data["CiphertextBlob"])["Plaintext"], data["Plaintext"])
    equal([r["RotationType"] for r in kms.list_key_rotations(KeyId=key["KeyId"])["Rotations"]], ["ON_DEMAND"])
    equal(json.loads(kms.get_key_policy(KeyId=key["KeyId"])["Policy"])["Statement"][0]["Action"], "kms:*")
    equal(alias in [a["AliasName"] for p in kms.get_paginator("list_aliases").paginate() for a in p["Aliases"]], True)
    kms.disable_key(KeyId=key["KeyId"])
    refused("DisabledException", 400, kms.encrypt, KeyId=alias, Plaintext=b"x")
    kms.delete_alias(AliasName=alias)
    equal(kms.schedule_key_deletion(KeyId=key["KeyId"], PendingWindowInDays=7)["KeyState"], "PendingDeletion")
    refused("KMSInvalidStateException", 400, kms.enable_key, KeyId=key["KeyId"])
    refused("NotFoundException", 400, kms.describe_key, KeyId="alias/none")


@test
def sign_and_mac():
    kms = client("kms")
    key = kms.create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")["KeyMetadata"]["KeyId"]
    digest = hashlib.sha256(b"message").digest()
    signature = kms.sign(KeyId=key, Message=digest, MessageType="DIGEST", SigningAlgorithm="ECDSA_SHA_256")["Signature"]
    equal(kms.verify(KeyId=key, Message=b"message", Signature=signature, SigningAlgorithm="ECDSA_SHA_256")["SignatureValid"], True)
    refused("KMSInvalidSignatureException", 400, kms.verify, KeyId=key, Message=b"other", Signature=signature, SigningAlgorithm="ECDSA_SHA_256")
    mac = kms.create_key(KeySpec="HMAC_256", KeyUsage="GENERATE_VERIFY_MAC")["KeyMetadata"]["KeyId"]
    code = kms.generate_mac(KeyId=mac, Message=b"m", MacAlgorithm="HMAC_SHA_256")["Mac"]
    equal(kms.verify_mac(KeyId=mac, Message=b"m", Mac=code, MacAlgorithm="HMAC_SHA_256")["MacValid"], True)


@test
def grants():
    kms = client("kms")
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    grant = kms.create_grant(KeyId=key, GranteePrincipal=f"arn:aws:iam::{ACCOUNT}:user/bob", Operations=["Encrypt"])
    equal([g["GrantId"] for g in kms.list_grants(KeyId=key)["Grants"]], [grant["GrantId"]])
    kms.revoke_grant(KeyId=key, GrantId=grant["GrantId"])
    equal(kms.list_grants(KeyId=key)["Grants"], [])
