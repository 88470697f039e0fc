variables {
  cache_store = "azure:https://example.vault.azure.net/mail?identity=89abcdef-0123-4567-89ab-cdef01234567"
  accounts    = { "reports@example.com" = {} }
}

run "writes_the_file" {
  command = plan
  variables {
    ports            = { smtp = 1587, imap = 993 }
    tls              = { certificate = "azure:example/secrets/mail-certificate" }
    account_defaults = { oauth2_flow = "client_credentials", client_id = "01234567-89ab-cdef-0123-456789abcdef" }
    accounts         = { "reports@example.com" = {}, "b@example.com" = { oauth2_flow = "device" } }
    settings         = { seal_key = "azure:example/secrets/mail-seal" }
    extras           = ["console", "azure"]
  }
  assert {
    condition = strcontains(output.text, <<-EOT
      [emailproxy]
      seal_key = azure:example/secrets/mail-seal

      [IMAP-993]
      local_certificate_path = azure:example/secrets/mail-certificate
      provider = office365

      [SMTP-1587]
      local_certificate_path = azure:example/secrets/mail-certificate
      provider = office365

      [b@example.com]
      client_id = 01234567-89ab-cdef-0123-456789abcdef
      oauth2_flow = device
      provider = office365

    EOT
    )
    error_message = "The file is another one."
  }
  assert {
    condition     = output.ports[0] == 993 && output.ports[1] == 1587
    error_message = "The ports are not sorted by number."
  }
  assert {
    condition     = output.emailproxy.sections["reports@example.com"].oauth2_flow == "client_credentials"
    error_message = "An account does not get the defaults."
  }
  assert {
    condition     = output.emailproxy.extras == tolist(["azure", "console"])
    error_message = "The extras are not there."
  }
}

run "a_domain_switches_catch_all_on" {
  command = plan
  variables {
    accounts = { "@example.com" = {} }
  }
  assert {
    condition     = output.emailproxy.sections.emailproxy.allow_catch_all_accounts == "True"
    error_message = "A section for a domain has no effect without allow_catch_all_accounts."
  }
}

run "refuses_an_unknown_protocol" {
  command = plan
  variables {
    ports = { imaps = 993 }
  }
  expect_failures = [var.ports]
}

run "refuses_one_port_twice" {
  command = plan
  variables {
    ports = { imap = 993, pop = 993 }
  }
  expect_failures = [var.ports]
}

run "refuses_a_port_that_is_none" {
  command = plan
  variables {
    ports = { imap = 65536 }
  }
  expect_failures = [var.ports]
}

run "refuses_an_unknown_provider" {
  command = plan
  variables {
    mail_provider = "hotmail"
  }
  expect_failures = [var.mail_provider]
}

run "refuses_an_account_that_is_no_address" {
  command = plan
  variables {
    accounts = { "reports" = {} }
  }
  expect_failures = [var.accounts]
}

run "refuses_a_second_line" {
  command = plan
  variables {
    accounts = { "a@example.com" = { tenant = "x\n[b@example.com]" } }
  }
  expect_failures = [var.accounts]
}

run "refuses_a_second_line_in_the_defaults" {
  command = plan
  variables {
    account_defaults = { tenant = "x\ny = z" }
  }
  expect_failures = [var.account_defaults]
}

run "refuses_a_secret_in_the_state" {
  command = plan
  variables {
    account_defaults = { client_secret = "the-secret-itself" }
  }
  expect_failures = [var.account_defaults]
}

run "refuses_a_secret_of_one_account" {
  command = plan
  variables {
    accounts = { "a@example.com" = { client_secret = "the-secret-itself" } }
  }
  expect_failures = [var.accounts]
}

run "takes_a_reference_to_a_secret" {
  command = plan
  variables {
    account_defaults = { client_secret = "azure:example/secrets/mail-app" }
  }
}

run "refuses_the_service_key_itself" {
  command = plan
  variables {
    settings = { seal_key = "seal1_abcdef" }
  }
  expect_failures = [var.settings]
}

run "refuses_a_second_line_in_the_settings" {
  command = plan
  variables {
    settings = { drain = "3\n[x@example.com]" }
  }
  expect_failures = [var.settings]
}

run "refuses_an_unknown_store" {
  command = plan
  variables {
    cache_store = "vault:secret"
  }
  expect_failures = [var.cache_store]
}

run "refuses_an_extra_that_is_none" {
  command = plan
  variables {
    extras = ["azure]; rm"]
  }
  expect_failures = [var.extras]
}
