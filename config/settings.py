"""The settings of this deployment: plain assignments. The lines that are commented out say what holds without them.

A variable of the environment (`DKRONPY_BROKER_URL`) wins over this file, an option of the command line over both;
`dkronpy config show` says for each setting where its value came from. A name that begins with an underscore is the
file's own. Durations are written as 90, "90s" or "1h30m", sizes in bytes.
"""

# ruff: noqa: ERA001 - code that is commented out is how this file shows defaults

# --- Where things are kept -------------------------------------------------------------------------------------------

# The Celery broker, such as "redis://10.0.0.5:6379/0". Empty: `dkronpy up` starts a store of its own.
# broker_url = ""

# The Redis or Valkey that holds jobs and ledger. Empty: the broker, where that is Redis.
# store_url = ""

# How many replicas of the store must have what is recorded before anything follows from it.
# store_replicas = 0

# Where finished runs are kept: "redis://...", "sqlite:///path" or "postgresql://...". Empty: the store.
# results_url = ""

# A server that commands talk to instead of the store, and the token that they show to it.
# api_url = ""
# api_token = ""

# The folder of the embedded store, the agents' spools and the logs.
# data_dir = ".dkronpy"

# What the keys of dkronpy, and those of RedBeat, begin with.
# key_prefix = "dkronpy:"
# redbeat_key_prefix = "redbeat:"

# Use a store that may forget: without an append-only file, or one that evicts keys.
# allow_volatile = False

# --- This node -------------------------------------------------------------------------------------------------------

# Its name (empty: the host's); the tags that jobs choose nodes by; how many executions it
# runs at a time.
# node_name = ""
# node_tags = {"role": "web"}
# capacity = 8

# Let an agent that runs as root start jobs that name no other user.
# allow_root = False

# A folder with one file a secret. Empty: $CREDENTIALS_DIRECTORY, or /run/secrets.
# secrets_dir = ""

# A HashiCorp Vault (pip install "dkronpy[vault]"), where its key-value store is mounted, and below which path our
# secrets lie; the token is $VAULT_TOKEN or in a file, or an AppRole signs in.
# vault_url = ""
# vault_mount = "secret"
# vault_prefix = "dkronpy"
# vault_namespace = ""
# vault_ca = ""
# vault_token_file = "~/.vault-token"
# vault_role_id = ""
# vault_secret_id_file = ""

# --- Whom this node trusts (docs/security.md) -------------------------------------------------------------------------

# The private key that signs what this process saves; the public keys (files or folders, separated by commas) that must
# have signed what this node runs.
# signing_key = ""
# trusted_keys = ""

# The executors that it offers ("shell,http"), and the users that jobs may run as ("backup,www-data"); empty: all.
# executors = ""
# run_as = ""

# Let no job gain rights by set-uid programs.
# no_new_privs = False

# Guard attempts by the shim that is written in Python, even where that in C was compiled.
# python_shim = False

# The loopback and link-local addresses that the http executor may visit ("127.0.0.0/8,::1"); `dkronpy up` with a store
# of its own allows loopback.
# http_allow = ""

# --- Executions ------------------------------------------------------------------------------------------------------

# What lies between TERM and KILL; how long an agent that is told to stop lets running executions go on.
# kill_grace = "5s"
# stop_grace = "30s"

# How long the copy of an outcome lives that Celery's AsyncResult reads; "0": none is made.
# celery_results = "1h"

# How many runs that make up for missed due times start in a second, and how many may wait for their turn.
# catch_up_rate = 10
# catch_up_budget = 10_000

# How many finished runs are kept for each job, and for how long; how many older ones that failed, and for how long.
# history_limit = 100
# retention = "30d"
# failure_limit = 20
# failure_retention = "90d"

# How many former revisions of each definition are kept.
# revision_limit = 20

# --- How soon a failure is noticed -----------------------------------------------------------------------------------

# How long a node may run an execution without renewing its claim, and how often it renews (at most a third of it).
# lease = "60s"
# lease_renew = "15s"

# How often a node says that it is alive; it counts as down when it has not for 10 seconds.
# heartbeat = "2s"

# How long a dead leading beat keeps the others waiting, the longest that beat sleeps, and how many due jobs it
# commits in one step.
# leader_ttl = "10s"
# tick = "1s"
# batch = 100

# Into how many sorted sets the due times are spread, for several beats to share.
# shards = 1

# --- Logs and pages --------------------------------------------------------------------------------------------------

# "debug", "info", "warning" or "error"; "text" for people or "json" for machines.
# log_level = "info"
# log_format = "text"

# The health endpoint of `dkronpy up`; port 0 lets the system choose a free one.
# health_address = "127.0.0.1"
# health_port = 0

# The HTTP API. Anything but loopback needs a token first: `dkronpy token create NAME --role admin`. Then the names
# that it answers to beside its own, and the pages elsewhere that may use it, each separated by commas.
# http_address = "127.0.0.1"
# http_port = 8080
# http_hosts = ""
# http_origins = ""

# Signing in with an OpenID Connect provider, and the role of each group: {"ops": "admin", "*": "viewer"}.
# oidc_issuer = ""
# oidc_client_id = ""
# oidc_client_secret = ""
# oidc_claim = "groups"
# oidc_roles = {}
# oidc_session = "8h"

# Where traces are sent, OTLP over HTTP: "http://127.0.0.1:4318".
# otel_endpoint = ""

# Flower. Anything but loopback needs a token (`dkronpy token create`), or a login in its place: "name:password".
# flower_address = "127.0.0.1"
# flower_port = 5555
# flower_basic_auth = ""

# Where people reach Flower ("https://ops.example.org/flower"): runs then link to their tasks there.
# flower_url = ""

# --- Who is told ------------------------------------------------------------------------------------------------------

# The ways by which people are told, by name, such as {"ops": "https://hooks.slack.com/..."}; the channels that hear of
# jobs which name none, separated by commas ("owner": the job's owner_email). docs/notifications.md has all of it.
# channels = {}
# notify = ""

# How long what happens is gathered into one message, what lies between two, and how often a job that goes on failing is
# told of again.
# notify_wait = "10s"
# notify_interval = "1m"
# notify_reminder = "6h"

# Where people find the pages; what the leading beat visits every minute, for somebody to notice when it does not.
# public_url = ""
# beat_ping_url = ""

# The mail server; with it, owners are mailed of changes of their jobs. Security: "auto", "starttls", "tls", "none".
# mail_host = ""
# mail_port = 0
# mail_username = ""
# mail_password = ""
# mail_from = ""
# mail_security = "auto"
# mail_subject_prefix = "[Dkron] "
# mail_payload = ""
# mail_on = "changes"

# Dkron's hooks before and after each execution, with its templates ("{{.JobName}}"), and its word to Cronitor.
# A hook without a payload posts nothing.
# pre_webhook_endpoint = ""
# pre_webhook_payload = ""
# pre_webhook_headers = ""
# webhook_endpoint = ""
# webhook_payload = ""
# webhook_headers = ""
# cronitor_endpoint = ""
