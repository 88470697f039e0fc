mock_provider "google" {
  mock_data "google_project" {
    defaults = { number = "424242" }
  }
  mock_resource "google_service_account" {
    defaults = {
      name      = "projects/my-project/serviceAccounts/emailproxy@my-project.iam.gserviceaccount.com"
      email     = "emailproxy@my-project.iam.gserviceaccount.com"
      member    = "serviceAccount:emailproxy@my-project.iam.gserviceaccount.com"
      unique_id = "112233445566778899000"
    }
  }
}

variables {
  project   = "my-project"
  mailboxes = ["archive@example.com"]
  seal_key  = "seal1_0123456789012345678901234567890123456789012"
}

run "the_parts_know_each_other" {
  command = apply
  assert {
    condition = output.emailproxy.sections["archive@example.com"] == {
      client_id   = "adc"
      oauth2_flow = "service_account"
      provider    = "workspace"
    }
    error_message = "The section of an account is another one."
  }
  assert {
    condition     = output.emailproxy.cache_store == "gcp:projects/my-project/secrets/emailproxy?replication=europe-west3"
    error_message = "The store is another one."
  }
  assert {
    condition     = output.delegation_client_id == "112233445566778899000" && strcontains(output.emailproxy.next_steps[0], "112233445566778899000")
    error_message = "Another service account is to be let into the mailboxes."
  }
}

run "refuses_no_mailbox" {
  command = plan
  variables {
    mailboxes = []
  }
  expect_failures = [var.mailboxes]
}
