mock_provider "google" {
  mock_data "google_project" {
    defaults = { number = "424242" }
  }
}

variables {
  project       = "my-project"
  secret_prefix = "mail"
  members       = { vm = "serviceAccount:mail@my-project.iam.gserviceaccount.com" }
}

run "scoped_to_the_prefix" {
  command = apply
  assert {
    condition     = google_project_iam_member.store["vm"].condition[0].expression == "resource.name.startsWith(\"projects/424242/secrets/mail-\")"
    error_message = "The role reaches beyond the prefix."
  }
  assert {
    condition     = !anytrue([for permission in google_project_iam_custom_role.store.permissions : strcontains(permission, "delete") || strcontains(permission, "list") || strcontains(permission, "create")])
    error_message = "The role can do more than reading and writing."
  }
  assert {
    condition     = google_project_iam_custom_role.create[0].permissions == toset(["secretmanager.secrets.create"])
    error_message = "The role for new accounts can do more than creating."
  }
  assert {
    condition     = output.cache_store == "gcp:projects/my-project/secrets/mail" && output.seal_key == null
    error_message = "The address of the store is another one."
  }
  assert {
    condition     = length(google_kms_crypto_key.this) == 0 && length(google_secret_manager_secret.seal_key) == 0
    error_message = "Something was made that was not asked for."
  }
}

run "regional" {
  command = apply
  variables {
    location              = "europe-west3"
    proxy_creates_secrets = false
  }
  assert {
    condition     = output.cache_store == "gcp:projects/my-project/locations/europe-west3/secrets/mail"
    error_message = "The address of the store is another one."
  }
  assert {
    condition     = google_project_iam_member.store["vm"].condition[0].expression == "resource.name.startsWith(\"projects/424242/locations/europe-west3/secrets/mail-\")"
    error_message = "The condition is about global secrets."
  }
  assert {
    condition     = length(google_project_iam_member.create) == 0
    error_message = "The proxy may create secrets."
  }
}

run "the_service_key_is_not_in_the_state" {
  command = apply
  variables {
    replication      = ["europe-west3", "europe-west4"]
    seal_key         = "seal1_0123456789012345678901234567890123456789012"
    seal_key_version = 1
  }
  assert {
    condition     = google_secret_manager_secret_version.seal_key[0].secret_data_wo == null && google_secret_manager_secret_version.seal_key[0].secret_data == null
    error_message = "The service key is in the state."
  }
  assert {
    condition     = output.cache_store == "gcp:projects/my-project/secrets/mail?replication=europe-west3,europe-west4"
    error_message = "The address of the store is another one."
  }
  assert {
    condition     = google_secret_manager_secret_iam_member.seal_key["vm"].role == "roles/secretmanager.secretAccessor"
    error_message = "The proxy cannot read the service key."
  }
}

run "own_keys" {
  command = plan
  variables {
    kms_key     = true
    replication = ["europe-west3", "europe-west4"]
  }
  assert {
    condition     = toset(keys(google_kms_crypto_key.this)) == toset(["europe-west3", "europe-west4"])
    error_message = "A location lacks its key."
  }
  assert {
    condition     = google_kms_crypto_key_iam_member.agent["europe-west3"].member == "serviceAccount:service-424242@gcp-sa-secretmanager.iam.gserviceaccount.com"
    error_message = "Secret Manager cannot use the key."
  }
}

run "refuses_a_bad_project" {
  command = plan
  variables {
    project = "My Project"
  }
  expect_failures = [var.project]
}

run "refuses_a_bad_prefix" {
  command = plan
  variables {
    secret_prefix = "mail/"
  }
  expect_failures = [var.secret_prefix]
}

run "refuses_a_bad_location" {
  command = plan
  variables {
    location = "Frankfurt"
  }
  expect_failures = [var.location]
}

run "refuses_replication_of_regional_secrets" {
  command = plan
  variables {
    location    = "europe-west3"
    replication = ["europe-west4"]
  }
  expect_failures = [var.replication]
}

run "refuses_a_user" {
  command = plan
  variables {
    members = { ada = "user:ada@example.com" }
  }
  expect_failures = [var.members]
}

run "refuses_a_bad_role_id" {
  command = plan
  variables {
    role_id = "emailproxy-store"
  }
  expect_failures = [var.role_id]
}

run "refuses_what_is_no_service_key" {
  command = plan
  variables {
    seal_key         = "hunter2"
    seal_key_version = 1
  }
  expect_failures = [var.seal_key]
}

run "refuses_a_version_that_is_none" {
  command = plan
  variables {
    seal_key_version = 1.5
  }
  expect_failures = [var.seal_key_version]
}
