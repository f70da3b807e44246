#!/usr/bin/env bash
# Builds CohortFarm's images with docker buildx, from base images that are pinned by digest:
#   images/build.sh [--push REGISTRY] [cpu] [cuda] [trainer]     default: all three, into the local engine
#   images/build.sh --pin                                         write the digests of today's base images to images/digests.env
# With --push each image gets an SBOM and provenance as attestations.
set -euo pipefail
cd "$(dirname "$0")/.."

digests=images/digests.env
version=$(sed -n 's/^  "version": "\(.*\)",$/\1/p' package.json)
revision=$(git rev-parse HEAD 2>/dev/null || echo unknown)

base_image() { sed -n "s/^ARG $1_IMAGE=//p" images/Dockerfile; }

pin() {
  : > "$digests.new"
  for name in NODE PYTHON CUDA; do
    image=$(base_image "$name")
    digest=$(docker buildx imagetools inspect "$image" --format '{{.Manifest.Digest}}')
    echo "${name}_DIGEST=$digest  # $image" >> "$digests.new"
  done
  mv "$digests.new" "$digests"
  cat "$digests"
}

registry=''
targets=()
while [ $# -gt 0 ]; do
  case $1 in
    --pin) pin; exit ;;
    --push) registry=${2:?"--push needs a registry, such as registry.example.org/imaging"}; shift 2 ;;
    cpu | cuda | trainer) targets+=("$1"); shift ;;
    *) echo "images/build.sh: \"$1\" is none of cpu, cuda, trainer, --push, --pin" >&2; exit 2 ;;
  esac
done
[ ${#targets[@]} -gt 0 ] || targets=(cpu cuda trainer)
if [ ! -f "$digests" ]; then
  echo "images/build.sh: pins the base images of today in $digests; commit it, so that others build the same" >&2
  pin >&2
fi

arguments=(--build-arg "VERSION=$version" --build-arg "REVISION=$revision")
while read -r setting _; do arguments+=(--build-arg "$setting"); done < "$digests"

for target in "${targets[@]}"; do
  case $target in
    cpu) name=cohortfarm file=images/Dockerfile platforms=linux/amd64,linux/arm64 ;;
    cuda) name=cohortfarm-cuda file=images/Dockerfile platforms=linux/amd64 ;;
    trainer) name=cohortfarm-trainer file=images/trainer.Dockerfile platforms=linux/amd64 ;;
  esac
  if [ -n "$registry" ]; then
    output=(--tag "$registry/$name:$version" --platform "$platforms" --sbom=true --provenance=mode=max --push)
  else
    output=(--tag "$name:$version" --load)
  fi
  docker buildx build --file "$file" --target "$target" "${arguments[@]}" "${output[@]}" .
done
