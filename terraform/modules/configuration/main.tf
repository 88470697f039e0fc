locals {
  names = { imap = "IMAP", pop = "POP", smtp = "SMTP" }

  listening = merge(
    var.local_address == null ? {} : { local_address = var.local_address },
    var.tls == null ? {} : { local_certificate_path = var.tls.certificate },
    try(var.tls.key, null) == null ? {} : { local_key_path = var.tls.key },
    try(var.tls.starttls, false) ? { local_starttls = "True" } : {},
  )

  servers = {
    for protocol, port in var.ports :
    "${local.names[protocol]}-${port}" => merge(local.listening, { provider = var.mail_provider })
  }

  catch_all = anytrue([for name in keys(var.accounts) : startswith(name, "@")])
  settings = merge(
    local.catch_all ? { allow_catch_all_accounts = "True" } : {},
    var.settings,
  )

  accounts = {
    for name, options in var.accounts : name => merge({ provider = var.mail_provider }, var.account_defaults, options)
  }

  sections = merge(
    length(local.settings) == 0 ? {} : { emailproxy = local.settings },
    local.servers,
    local.accounts,
  )

  # The order of the file: the proxy's own settings, the servers, the accounts.
  order = concat(
    [for name in ["emailproxy"] : name if contains(keys(local.sections), name)],
    sort(keys(local.servers)),
    sort(keys(local.accounts)),
  )

  # What the chart in infra/helm takes as `accounts`: it writes the rest of the file by itself.
  accounts_text = join("\n", flatten([
    for name in sort(keys(local.accounts)) : concat(
      ["[${name}]"],
      [for option in sort(keys(local.accounts[name])) : "${option} = ${local.accounts[name][option]}"],
      [""],
    )
  ]))

  text = join("\n", concat(
    ["# Written by Terraform. No secret stands here, and none belongs here; docs/configuration.md explains each option."],
    flatten([
      for section in local.order : concat(
        ["", "[${section}]"],
        [for option in sort(keys(local.sections[section])) : "${option} = ${local.sections[section][option]}"],
      )
    ]),
    [""],
  ))
}
