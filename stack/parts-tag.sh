#!/usr/bin/env bash
# The tag of the images that are made of other people's programs: changes when what is put around them changes, and not with each
# build of the services. A database is not restarted because a button got another colour.
set -euo pipefail
cd "$(dirname "$0")/.."
# As the files are now, whether they are committed or not: the images are built from them.
case ${1:-} in
'') set -- stack/images ':!stack/images/service.Dockerfile' ':!stack/images/jenkins.Dockerfile' stack/identity/realm.json crates/parts/go/nats-server crates/parts/go/resgate ;;
# Its plugins change often, and nothing else with them.
jenkins) set -- stack/images/jenkins.Dockerfile jenkins/plugins.txt ;;
*)
    echo "parts-tag.sh [jenkins]" >&2
    exit 1
    ;;
esac
git ls-files -z --cached --others --exclude-standard -- "$@" |
    LC_ALL=C sort -z | xargs -0 sha256sum -- | sha256sum | cut -c1-12
