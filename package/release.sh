#!/usr/bin/env bash
# Makes a release for a registry of your own; run it again to resume:
#   package/release.sh --registry registry.example.org/imaging --key key.pem [--dry-run]
# It tags the commit, packs the npm package, builds and pushes images and chart, and writes an SBOM, the digests of the
# images, checksums and their Ed25519 signature to out/release/VERSION. --dry-run prints what would reach beyond this
# folder (tag, images, chart) and does the rest.
set -euo pipefail
cd "$(dirname "$0")/.."

registry='' key='' dry=false
while [ $# -gt 0 ]; do
  case $1 in
    --registry) registry=${2:?"--registry needs a registry, such as registry.example.org/imaging"}; shift 2 ;;
    --key) key=${2:?"--key needs a PEM file, as \"openssl genpkey -algorithm ed25519\" makes it"}; shift 2 ;;
    --dry-run) dry=true; shift ;;
    *) echo "package/release.sh: \"$1\" is none of --registry, --key, --dry-run" >&2; exit 2 ;;
  esac
done

version=$(sed -n 's/^  "version": "\(.*\)",$/\1/p' package.json)
chart_version=$(sed -n 's/^version: //p' helm/cohortfarm/Chart.yaml)
app_version=$(sed -n 's/^appVersion: //p' helm/cohortfarm/Chart.yaml)
head=$(git rev-parse HEAD)
tagged=$(git rev-parse --quiet --verify "refs/tags/v$version^{commit}" || true)

# Every reason at once.
faults=()
[ -n "$registry" ] || faults+=("--registry is missing; name one, such as registry.example.org/imaging")
[ -r "$key" ] || faults+=("--key: \"$key\" cannot be read; make one with \"openssl genpkey -algorithm ed25519 -out key.pem\"")
[ -z "$(git status --porcelain)" ] || faults+=("the working tree has changes; commit them")
[ "$chart_version" = "$version" ] || faults+=("helm/cohortfarm/Chart.yaml: version is $chart_version, package.json says $version")
[ "$app_version" = "$version" ] || faults+=("helm/cohortfarm/Chart.yaml: appVersion is $app_version, package.json says $version")
grep -q "^## $version\b" CHANGELOG.md || faults+=("CHANGELOG.md has no section \"## $version\"; rename \"Unreleased\"")
[ -z "$tagged" ] || [ "$tagged" = "$head" ] || faults+=("the tag v$version is at ${tagged:0:12}; raise the version")
$dry || [ -f images/digests.env ] || faults+=("images/digests.env is missing; run images/build.sh --pin and commit it")
commands=(git npm helm openssl sha256sum)
$dry || commands+=(docker)
for command in "${commands[@]}"; do
  command -v "$command" > /dev/null || faults+=("$command is not installed")
done
if [ ${#faults[@]} -gt 0 ]; then
  printf 'package/release.sh: %s\n' "${faults[@]}" >&2
  exit 2
fi

outside() {
  if $dry; then echo "would run: $*"; else "$@"; fi
}

out=out/release/$version
rm -rf "$out"
mkdir -p "$out"

[ -n "$tagged" ] || outside git tag --annotate "v$version" --message "CohortFarm $version"

npm pack --silent --pack-destination "$out"
npm sbom --package-lock-only --omit=dev --sbom-format=spdx > "$out/cohortfarm-$version.spdx.json"
outside images/build.sh --push "$registry"
for image in cohortfarm cohortfarm-cuda cohortfarm-trainer; do
  reference=$registry/$image:$version
  if $dry; then
    echo "$reference" >> "$out/images.txt"
  else
    echo "$reference@$(docker buildx imagetools inspect "$reference" --format '{{.Manifest.Digest}}')" >> "$out/images.txt"
  fi
done

helm package helm/cohortfarm --destination "$out/chart" > /dev/null
mv "$out/chart/cohortfarm-$version.tgz" "$out/cohortfarm-chart-$version.tgz"
rmdir "$out/chart"
outside helm push "$out/cohortfarm-chart-$version.tgz" "oci://$registry/charts"

(cd "$out" && sha256sum -- * > SHA256SUMS)
openssl pkey -in "$key" -pubout -out "$out/release.pub"
openssl pkeyutl -sign -rawin -inkey "$key" -in "$out/SHA256SUMS" -out "$out/SHA256SUMS.sig"
openssl pkeyutl -verify -rawin -pubin -inkey "$out/release.pub" -sigfile "$out/SHA256SUMS.sig" -in "$out/SHA256SUMS" > /dev/null

echo "CohortFarm $version is in $out. Publish these files with the tag: git push origin v$version"
