data "aws_iam_policy_document" "trust" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["ec2.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "this" {
  name                 = var.name
  description          = "What emailproxy runs with on ${var.name}."
  assume_role_policy   = data.aws_iam_policy_document.trust.json
  permissions_boundary = var.permissions_boundary
  tags                 = var.tags
}

resource "aws_iam_instance_profile" "this" {
  name_prefix = "${var.name}-"
  role        = aws_iam_role.this.name
  tags        = var.tags
}

locals {
  policies = merge(
    var.role_policy_arns,
    var.session_manager ? {
      session-manager = "arn:${data.aws_partition.current.partition}:iam::aws:policy/AmazonSSMManagedInstanceCore"
    } : {},
  )
}

resource "aws_iam_role_policy_attachment" "this" {
  for_each = local.policies

  role       = aws_iam_role.this.name
  policy_arn = each.value
}

data "aws_iam_policy_document" "tokens" {
  #checkov:skip=CKV_AWS_356:GetWebIdentityToken has no resource to name; the condition says for whom.
  statement {
    actions   = ["sts:GetWebIdentityToken"]
    resources = ["*"]

    condition {
      test     = "ForAllValues:StringEquals"
      variable = "sts:IdentityTokenAudience"
      values = [
        "api://AzureADTokenExchange",
        "api://AzureADTokenExchangeUSGov",
        "api://AzureADTokenExchangeChina",
      ]
    }
    condition {
      # Minutes; the proxy asks anew for each token request. Who names no duration gets five.
      test     = "NumericLessThanEqualsIfExists"
      variable = "sts:DurationSeconds"
      values   = ["900"]
    }
  }
}

resource "aws_iam_role_policy" "tokens" {
  count = var.issue_web_identity_tokens ? 1 : 0

  name   = "web-identity-tokens"
  role   = aws_iam_role.this.name
  policy = data.aws_iam_policy_document.tokens.json
}
