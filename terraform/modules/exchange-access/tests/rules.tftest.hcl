variables {
  organization                = "example.onmicrosoft.com"
  client_id                   = "01234567-89AB-cdef-0123-456789abcdef"
  service_principal_object_id = "89abcdef-0123-4567-89ab-cdef01234567"
  mailboxes = {
    "reports@example.com" = {}
    "scanner@example.com" = { read = false }
  }
}

run "names_the_real_ids" {
  command = plan
  assert {
    condition     = strcontains(output.script, "$ClientId = '01234567-89ab-cdef-0123-456789abcdef'")
    error_message = "The client id is not in the script, in small letters."
  }
  assert {
    condition     = strcontains(output.script, "'scanner@example.com' = @{ Read = $false; Send = $true }")
    error_message = "What may be done with the mailbox is not in the script."
  }
  assert {
    condition     = !strcontains(output.script, "$${")
    error_message = "Something was not filled in."
  }
}

run "refuses_the_client_id_as_object_id" {
  command = plan
  variables {
    service_principal_object_id = "01234567-89ab-cdef-0123-456789abcdef"
  }
  expect_failures = [var.service_principal_object_id]
}

run "refuses_what_would_end_the_quotation" {
  command = plan
  variables {
    mailboxes = { "x'; Remove-Mailbox 'y@example.com" = {} }
  }
  expect_failures = [var.mailboxes]
}

run "refuses_a_mailbox_without_rights" {
  command = plan
  variables {
    mailboxes = { "reports@example.com" = { read = false, send = false } }
  }
  expect_failures = [var.mailboxes]
}

run "refuses_a_name_with_quotation_marks" {
  command = plan
  variables {
    display_name = "it's"
  }
  expect_failures = [var.display_name]
}

run "refuses_a_tenant_id_as_organization" {
  command = plan
  variables {
    organization = "example"
  }
  expect_failures = [var.organization]
}

run "refuses_what_is_no_guid" {
  command = plan
  variables {
    client_id = "emailproxy"
  }
  expect_failures = [var.client_id]
}
