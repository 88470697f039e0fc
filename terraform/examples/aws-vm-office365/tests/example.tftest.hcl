mock_provider "azuread" {
  mock_data "azuread_application_published_app_ids" {
    defaults = {
      result = { Office365ExchangeOnline = "00000002-0000-0ff1-ce00-000000000000" }
    }
  }
  mock_data "azuread_client_config" {
    defaults = {
      tenant_id = "11111111-2222-3333-4444-555555555555"
      object_id = "22222222-2222-3333-4444-555555555555"
    }
  }
  mock_data "azuread_service_principal" {
    defaults = {
      app_role_ids = {
        "IMAP.AccessAsApp" = "aaaaaaaa-0000-0000-0000-000000000001"
        "SMTP.SendAsApp"   = "aaaaaaaa-0000-0000-0000-000000000003"
      }
    }
  }
  mock_resource "azuread_application" {
    defaults = {
      id        = "/applications/33333333-2222-3333-4444-555555555555"
      client_id = "01234567-89ab-cdef-0123-456789abcdef"
    }
  }
  mock_resource "azuread_service_principal" {
    defaults = { object_id = "66666666-2222-3333-4444-555555555555" }
  }
}

mock_provider "aws" {
  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }
  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
  mock_data "aws_region" {
    defaults = { region = "eu-central-1" }
  }
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{}" }
  }
  mock_data "aws_ssm_parameter" {
    defaults = { insecure_value = "ami-debian12" }
  }
  mock_resource "aws_kms_key" {
    defaults = { arn = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555" }
  }
  mock_resource "aws_instance" {
    defaults = { private_ip = "10.0.1.4" }
  }
}

variables {
  issuer       = "https://11111111.tokens.sts.global.api.aws"
  vpc_id       = "vpc-1"
  subnet_id    = "subnet-1"
  organization = "example.onmicrosoft.com"
  mailboxes    = ["reports@example.com"]
  seal_key     = "seal1_0123456789012345678901234567890123456789012"
}

run "the_parts_know_each_other" {
  command = apply
  assert {
    condition     = output.emailproxy.sections["reports@example.com"].client_assertion == "aws:eu-central-1"
    error_message = "The machine proves its identity in another way."
  }
  assert {
    condition     = startswith(output.emailproxy.cache_store, "aws:emailproxy/?region=eu-central-1&kms_key=")
    error_message = "The store is another one."
  }
  assert {
    condition     = output.emailproxy.sections.emailproxy.seal_key == "aws:emailproxy-service-key?region=eu-central-1"
    error_message = "The service key is elsewhere."
  }
  assert {
    condition     = strcontains(output.exchange_script, "66666666-2222-3333-4444-555555555555")
    error_message = "The script for Exchange is about another service principal."
  }
}

run "refuses_no_mailbox" {
  command = plan
  variables {
    mailboxes = []
  }
  expect_failures = [var.mailboxes]
}

run "refuses_an_issuer_that_is_none" {
  command = plan
  variables {
    issuer = "sts.amazonaws.com"
  }
  expect_failures = [var.issuer]
}
