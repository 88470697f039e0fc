data "aws_iam_policy_document" "store" {
  statement {
    sid = "Tokens"
    actions = concat(
      [
        "secretsmanager:GetSecretValue",
        "secretsmanager:PutSecretValue",
        "secretsmanager:UpdateSecretVersionStage",
        "secretsmanager:DescribeSecret",
        "secretsmanager:RestoreSecret",
      ],
      var.proxy_creates_secrets ? ["secretsmanager:CreateSecret"] : [],
    )
    resources = ["${local.arns}${var.prefix}*"]
  }

  dynamic "statement" {
    for_each = aws_secretsmanager_secret.seal_key
    content {
      sid       = "ServiceKey"
      actions   = ["secretsmanager:GetSecretValue"]
      resources = [statement.value.arn]
    }
  }

  dynamic "statement" {
    for_each = aws_kms_key.this
    content {
      sid       = "Key"
      actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
      resources = [statement.value.arn]

      condition {
        test     = "StringEquals"
        variable = "kms:ViaService"
        values   = ["secretsmanager.${local.region}.amazonaws.com"]
      }
    }
  }
}

resource "aws_iam_policy" "store" {
  name_prefix = "emailproxy-store-"
  description = "emailproxy keeps its tokens under ${var.prefix}; it cannot delete or list."
  policy      = data.aws_iam_policy_document.store.json
  tags        = var.tags
}

resource "aws_iam_role_policy_attachment" "store" {
  for_each = var.role_names

  role       = each.value
  policy_arn = aws_iam_policy.store.arn
}

data "aws_iam_policy_document" "key" {
  #checkov:skip=CKV_AWS_109:The first statement is the one that AWS's own guide has: without it a key could become one that nobody administers.
  #checkov:skip=CKV_AWS_111:The same statement; in a key's policy * is the key itself.
  #checkov:skip=CKV_AWS_356:In a key's policy * is the key itself.
  statement {
    sid       = "Administration"
    actions   = ["kms:*"]
    resources = ["*"]

    principals {
      type        = "AWS"
      identifiers = length(var.kms_administrators) > 0 ? sort(var.kms_administrators) : ["arn:${local.partition}:iam::${local.account}:root"]
    }
  }

  # Who may use the key is for IAM to say (the policy above), and only by way of Secrets Manager.
  statement {
    sid       = "SecretsManager"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = ["*"]

    principals {
      type        = "AWS"
      identifiers = ["arn:${local.partition}:iam::${local.account}:root"]
    }

    condition {
      test     = "StringEquals"
      variable = "kms:ViaService"
      values   = ["secretsmanager.${local.region}.amazonaws.com"]
    }
  }
}

resource "aws_kms_key" "this" {
  count = var.kms_key ? 1 : 0

  description             = "Tokens of emailproxy in Secrets Manager"
  enable_key_rotation     = true
  deletion_window_in_days = 30
  policy                  = data.aws_iam_policy_document.key.json
  tags                    = var.tags
}

resource "aws_kms_alias" "this" {
  count = var.kms_key ? 1 : 0

  name          = "alias/${replace(trimsuffix(var.prefix, "/"), "/[^A-Za-z0-9/_-]/", "-")}"
  target_key_id = aws_kms_key.this[0].key_id
}
