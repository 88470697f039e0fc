resource "aws_security_group" "this" {
  #checkov:skip=CKV2_AWS_5:It is the machine's own (aws_instance.this).
  name_prefix = "${var.name}-"
  description = "Mail clients reach emailproxy, which reaches providers and mail servers."
  vpc_id      = var.vpc_id
  tags        = merge(var.tags, { Name = var.name })

  lifecycle {
    create_before_destroy = true
  }
}

locals {
  ingress = {
    for pair in setproduct(var.ports, var.client_ranges) : "${pair[0]} from ${pair[1]}" => { port = pair[0], range = pair[1] }
  }

  # HTTPS (token endpoints, the store, packages), and the mail servers' ports. Names are asked for at the VPC's own resolver, which no rule is about.
  egress = { https = 443, http = 80, imaps = 993, pop3s = 995, submissions = 465, submission = 587 }
}

resource "aws_vpc_security_group_ingress_rule" "mail" {
  for_each = local.ingress

  security_group_id = aws_security_group.this.id
  description       = "Mail clients"
  ip_protocol       = "tcp"
  from_port         = each.value.port
  to_port           = each.value.port
  cidr_ipv4         = strcontains(each.value.range, ":") ? null : each.value.range
  cidr_ipv6         = strcontains(each.value.range, ":") ? each.value.range : null
  tags              = var.tags
}

resource "aws_vpc_security_group_egress_rule" "this" {
  for_each = local.egress

  security_group_id = aws_security_group.this.id
  description       = each.key
  ip_protocol       = "tcp"
  from_port         = each.value
  to_port           = each.value
  cidr_ipv4         = "0.0.0.0/0"
  tags              = var.tags
}
