<#
.SYNOPSIS
    Installs emailproxy as a Windows service, or brings it up to date. Run it again as often as you like.

.DESCRIPTION
    Needs Python 3.11 or newer for all users, and WinSW-x64.exe 2.12, which this script does not download.
    The program goes to %ProgramFiles%\emailproxy, configuration, tokens and log to %ProgramData%\emailproxy, which
    administrators and the service alone may read.

.EXAMPLE
    .\install.ps1 -WinSW .\WinSW-x64.exe -Config .\emailproxy.config

.EXAMPLE
    .\install.ps1 -WinSW .\WinSW-x64.exe -Config .\emailproxy.config -Extras azure,console -CacheStore azure:my-vault
#>
#Requires -RunAsAdministrator
#Requires -Version 5.1
[CmdletBinding()]
param(
    # The downloaded WinSW-x64.exe. Compare its hash with the one that its project publishes.
    [Parameter(Mandatory = $true)]
    [string] $WinSW,

    # emailproxy.config; without it the one that is installed stays.
    [string] $Config,

    # What pip installs: emailproxy-cloud, emailproxy-cloud==1.2.3, or the path of a wheel.
    [string] $Package = 'emailproxy-cloud',

    # Extras of the package: azure, aws, gcp, console.
    [string[]] $Extras = @('console'),

    # Where tokens are kept; without it in a file beside the configuration.
    [string] $CacheStore,

    # The Python to make the environment with.
    [string] $Python = 'py.exe'
)

Set-StrictMode -Version Latest
$ErrorActionPreference = 'Stop'

$program = Join-Path $env:ProgramFiles 'emailproxy'
$data = Join-Path $env:ProgramData 'emailproxy'
$environment = Join-Path $program 'environment'
$service = Join-Path $program 'emailproxy.exe'
$installed = Join-Path $data 'emailproxy.config'

function Invoke-Checked {
    param([string] $Command, [string[]] $Arguments)
    & $Command @Arguments
    if ($LASTEXITCODE -ne 0) { throw "$Command ended with $LASTEXITCODE" }
}

New-Item -ItemType Directory -Force -Path $program, $data, (Join-Path $data 'log') | Out-Null
$known = $null -ne (Get-Service -Name 'emailproxy' -ErrorAction SilentlyContinue)
if ($known) { Stop-Service -Name 'emailproxy' }

if (-not (Test-Path (Join-Path $environment 'Scripts\python.exe'))) {
    $version = if ($Python -eq 'py.exe') { @('-3') } else { @() }
    Invoke-Checked $Python ($version + @('-m', 'venv', $environment))
}
$wanted = $Extras -join ','
$requirement = if (Test-Path $Package) {
    "emailproxy-cloud[$wanted] @ $(([Uri](Resolve-Path $Package).Path).AbsoluteUri)"
} else {
    $Package -replace '^([A-Za-z0-9._-]+)', "`$1[$wanted]"
}
Invoke-Checked (Join-Path $environment 'Scripts\python.exe') @(
    '-m', 'pip', 'install', '--quiet', '--no-input', '--disable-pip-version-check', '--upgrade', $requirement
)

Copy-Item -Force $WinSW $service
[xml] $definition = Get-Content -Raw (Join-Path $PSScriptRoot 'emailproxy.xml')
if ($CacheStore) {
    $variable = $definition.service.env | Where-Object { $_.name -eq 'EMAILPROXY_CACHE_STORE' }
    $variable.value = $CacheStore
}
$definition.Save((Join-Path $program 'emailproxy.xml'))
if ($Config) { Copy-Item -Force $Config $installed }
if (-not (Test-Path $installed)) { throw "there is no $installed yet: name your emailproxy.config with -Config" }
Invoke-Checked (Join-Path $environment 'Scripts\emailproxy.exe') @('--config-file', $installed, 'check')

if (-not $known) { Invoke-Checked $service @('install') }

# Nobody else reads the configuration and the tokens. The service's own user exists once the service does.
Invoke-Checked 'icacls.exe' @(
    $data, '/inheritance:r', '/grant:r',
    '*S-1-5-18:(OI)(CI)F', '*S-1-5-32-544:(OI)(CI)F', 'NT SERVICE\emailproxy:(OI)(CI)M'
)
Invoke-Checked 'icacls.exe' @($program, '/grant:r', 'NT SERVICE\emailproxy:(OI)(CI)RX')

Start-Service -Name 'emailproxy'
Get-Service -Name 'emailproxy'
