output "cache_store" {
  description = "The address for `--cache-store`, and for the module configuration."
  value = join("", [
    "aws:${var.prefix}?region=${local.region}",
    # What the proxy creates gets this key; other secrets keep theirs.
    var.kms_key ? "&kms_key=${urlencode(aws_kms_key.this[0].arn)}" : "",
  ])

  # Who reads the address may begin to use it.
  depends_on = [aws_iam_role_policy_attachment.store]
}

output "seal_key" {
  description = "The reference to the service key, for `settings.seal_key`; `null` if this module keeps none."
  value       = var.seal_key_version == 0 ? null : "aws:${local.seal_key_name}?region=${local.region}"
}

output "kms_key_arn" {
  description = "The key's ARN; `null` without one."
  value       = one(aws_kms_key.this[*].arn)
}

output "policy_arn" {
  description = "The policy with the least rights that the proxy needs, for further roles."
  value       = aws_iam_policy.store.arn
}

output "policy" {
  description = "The same policy as JSON."
  value       = data.aws_iam_policy_document.store.json
}

output "extras" {
  description = "The extras that the proxy needs for this store."
  value       = ["aws"]
}
