mock_provider "google" {
  mock_resource "google_service_account" {
    defaults = {
      name   = "projects/my-project/serviceAccounts/emailproxy@my-project.iam.gserviceaccount.com"
      email  = "emailproxy@my-project.iam.gserviceaccount.com"
      member = "serviceAccount:emailproxy@my-project.iam.gserviceaccount.com"
    }
  }
}

variables {
  project           = "my-project"
  zone              = "europe-west3-a"
  network           = "mail"
  subnetwork        = "mail"
  emailproxy_config = "[IMAP-1993]\nprovider = workspace\n\n[a@example.com]\nprovider = workspace\nclient_id = adc\n"
  cache_store       = "gcp:projects/my-project/secrets/mail"
  extras            = ["gcp"]
  ports             = [1993, 1587]
  client_ranges     = ["10.0.0.0/16"]
}

run "no_way_in_but_for_mail" {
  command = apply
  assert {
    condition     = length(google_compute_instance.this.network_interface[0].access_config) == 0
    error_message = "The machine has a public address."
  }
  assert {
    condition     = google_compute_firewall.mail.source_ranges == toset(["10.0.0.0/16"]) && toset(one(google_compute_firewall.mail.allow).ports) == toset(["1587", "1993"])
    error_message = "Other ports are open, or for others."
  }
  assert {
    condition     = google_compute_instance.this.metadata["enable-oslogin"] == "TRUE" && google_compute_instance.this.shielded_instance_config[0].enable_secure_boot
    error_message = "The machine takes keys of the project, or boots what it likes."
  }
  assert {
    condition     = length(google_service_account_iam_member.signs_for_itself) == 0
    error_message = "The service account signs without being asked to."
  }
  assert {
    condition     = strcontains(google_compute_instance.this.metadata["user-data"], base64encode(var.emailproxy_config))
    error_message = "The user data lacks the configuration."
  }
  assert {
    condition     = yamldecode(output.user_data).runcmd[0] == ["/usr/local/sbin/emailproxy-install", "emailproxy-cloud", "gcp", "1587", "1993"]
    error_message = "The user data does not install what it should."
  }
}

run "signs_for_itself" {
  command = apply
  variables {
    domain_wide_delegation = true
    iap_ssh                = false
  }
  assert {
    condition     = google_service_account_iam_member.signs_for_itself[0].member == google_service_account.this.member && google_service_account_iam_member.signs_for_itself[0].role == "roles/iam.serviceAccountTokenCreator"
    error_message = "The service account cannot sign for itself."
  }
  assert {
    condition     = length(google_compute_firewall.ssh) == 0
    error_message = "SSH is open."
  }
}

run "refuses_the_whole_internet" {
  command = plan
  variables {
    client_ranges = ["0.0.0.0/0"]
  }
  expect_failures = [var.client_ranges]
}

run "refuses_a_range_that_is_none" {
  command = plan
  variables {
    client_ranges = ["office"]
  }
  expect_failures = [var.client_ranges]
}

run "refuses_a_configuration_that_serves_nothing" {
  command = plan
  variables {
    emailproxy_config = "[a@example.com]\n"
  }
  expect_failures = [var.emailproxy_config]
}

run "refuses_a_secret_in_the_user_data" {
  command = plan
  variables {
    emailproxy_config = "[IMAP-1993]\n[a@example.com]\nclient_secret = the-secret\n"
  }
  expect_failures = [var.emailproxy_config]
}

run "refuses_tokens_on_the_machine" {
  command = plan
  variables {
    cache_store = "file:/var/lib/emailproxy/tokens"
  }
  expect_failures = [var.cache_store]
}

run "refuses_a_package_that_is_a_command" {
  command = plan
  variables {
    package = "emailproxy-cloud; reboot"
  }
  expect_failures = [var.package]
}

run "refuses_no_port" {
  command = plan
  variables {
    ports = []
  }
  expect_failures = [var.ports]
}

run "refuses_a_bad_name" {
  command = plan
  variables {
    name = "mail"
  }
  expect_failures = [var.name]
}

run "refuses_a_bad_project" {
  command = plan
  variables {
    project = "My Project"
  }
  expect_failures = [var.project]
}

run "refuses_a_region_for_a_zone" {
  command = plan
  variables {
    zone = "europe-west3"
  }
  expect_failures = [var.zone]
}
