#!/usr/bin/env bash
# Proves that docker-compose.yml keeps its promises: builds, indexes and searches over HTTP, kills the indexer in the
# middle of a job, stops Redis, and takes down what it started. The two images stay, as the cache of the next run.
# It needs bash 4, Docker, `docker compose` or docker-compose, and curl.
#
#   PHOTOS_DIR      a folder whose first 50 photographs are indexed, in place of drawn ones
#   MODEL_DIR       a checkpoint in place of the bundled one
#   BUILD_NETWORK   the network of the build, where the default one does not lead to the package index: host
#   TORCH_INDEX     as in docker-compose.yml
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

UPLOADS=50
MOUNTED=30
PATIENCE_S=300

main() {
  trap finish EXIT
  work=$(mktemp -d)
  mkdir "$work/photos" "$work/uploads"
  [[ -z ${MODEL_DIR:-} ]] || cp -RL "$MODEL_DIR" "$work/model"
  chmod -R a+rX "$work"  # the user in the containers is another one
  write_override >"$work/override.yml"

  step "build" build
  step "up, and all of them healthy" up
  step "index photographs that are uploaded" index_uploads
  step "search, with a region for every word" search "a red circle on a green field"
  step "the answer lies in Redis" answer_is_cached
  step "kill -9 the indexer in the middle of a job" kill_in_the_middle
  step "it is started again and finishes the job" finish_job
  step "no fault in the collection, no image lost or doubled" check_collection
  step "stop Redis, search all the same" search_without_redis
  step "index without Redis" index_without_redis
  step "down" down
  echo "passed in $SECONDS s"
}

build() { logged compose build; }

up() {
  logged compose up --detach --no-build
  api=$(compose ps -q api)
  indexer=$(compose ps -q indexer)
  redis=$(compose ps -q redis)
  address=http://$(compose port api 8000)
  until_true healthy "$api" "$indexer" "$redis"
}

index_uploads() {
  if [[ -n ${PHOTOS_DIR:-} ]]; then
    mapfile -t uploads < <(find "$PHOTOS_DIR" -type f -iregex '.*\.\(jpe?g\|png\|webp\)' | sort | sed "1,$UPLOADS!d")
  else
    draw upload "$UPLOADS" "$work/uploads"
    uploads=("$work"/uploads/*)
  fi
  submit_uploads "${uploads[@]}"
  until_true job_is "succeeded ${#uploads[@]} indexed"
}

search() { # sentence
  local answer
  answer=$(curl_api --header "Content-Type: application/json" \
    --data "{\"text\": \"$1\", \"limit\": 5, \"explain\": true}" "$address/search")
  told 'len(answer["results"]), all(hit["explanation"]["words"] for hit in answer["results"])' <<<"$answer" | expect "5 True"
}

answer_is_cached() {
  docker exec "$redis" redis-cli --scan --pattern 'teran:answer:*' | grep --quiet .
}

kill_in_the_middle() {
  draw mounted "$MOUNTED" "$work/photos"
  # The container ends with its worker, and this command with the container.
  job=$(docker exec --interactive "$indexer" python - http://api:8000 /photos <docker/kill_worker.py) || true
  told 'answer["finished_at"]' <<<"$(read_job)" | expect None
}

finish_job() {
  until_true started_again
  until_true job_is "succeeded $MOUNTED indexed"
}

check_collection() {
  docker exec "$indexer" teran verify >>"$work/log"
  curl_api "$address/metrics" | grep --quiet "^teran_live_images{collection=\"default\"} $((${#uploads[@]} + MOUNTED)).0$"
}

search_without_redis() {
  logged docker stop "$redis"
  search "a blue square beside a yellow circle"
  search "a red circle on a green field"
}

index_without_redis() {
  draw late 1 "$work/uploads"
  submit_uploads "$work"/uploads/late-*
  until_true job_is "succeeded 1 indexed"
}

down() {
  logged compose down --volumes --remove-orphans
  stopped=yes
}

# --- what the steps are made of

step() { # what, function, its arguments...
  local began=$SECONDS
  current=$1
  "${@:2}"
  printf '%4d s  %s\n' $((SECONDS - began)) "$current"
}

finish() {
  local status=$?
  trap - EXIT
  if ((status != 0)); then
    echo "FAILED: ${current:-preparation}" >&2
    [[ -f $work/log ]] && tail -n 20 "$work/log" >&2
    [[ -n ${api:-} ]] && compose logs --tail 30 >&2
  fi
  [[ -n ${stopped:-} ]] || compose down --volumes --remove-orphans >/dev/null 2>&1 || true
  rm -rf "$work"
  exit "$status"
}

compose() {
  TERAN_HOST=127.0.0.1 TERAN_PORT=0 PHOTOS=$work/photos \
    "${composer[@]}" --project-name "$project" --file docker-compose.yml --file "$work/override.yml" "$@"
}

project=teran-test-$$
if docker compose version >/dev/null 2>&1; then composer=(docker compose); else composer=(docker-compose); fi

write_override() {
  local service
  echo "services:"
  for service in api indexer; do
    echo "  $service:"
    echo "    image: teran-test-$service"
    [[ -z ${BUILD_NETWORK:-} ]] || echo "    build: {network: $BUILD_NETWORK}"
    [[ -z ${MODEL_DIR:-} ]] || echo "    environment: {TERAN_MODEL: /model}"
    [[ -z ${MODEL_DIR:-} ]] || echo "    volumes: ['$work/model:/model:ro']"
  done
}

logged() { "$@" >>"$work/log" 2>&1; }

until_true() { # command
  local deadline=$((SECONDS + PATIENCE_S))
  until "$@"; do
    ((SECONDS < deadline)) || { echo "not within $PATIENCE_S s: $*" >&2 && return 1; }
    sleep 0.2
  done
}

expect() { # text, which standard input must be
  local found
  found=$(cat)
  [[ $found == "$1" ]] || { echo "found '$found' in place of '$1'" >&2 && return 1; }
}

healthy() { # containers
  local container
  for container; do
    [[ $(docker inspect --format '{{.State.Health.Status}}' "$container") == healthy ]] || return 1
  done
}

started_again() {
  [[ $(docker inspect --format '{{.RestartCount}} {{.State.Running}}' "$indexer") == "1 true" ]]
}

draw() { # name, count, folder
  docker exec --interactive "$api" python - "$1" "$2" <docker/make_pictures.py | tar --extract --directory "$3"
}

submit_uploads() { # files
  local form=() file
  for file; do form+=(--form "files=@\"$file\""); done
  job=$(curl_api "${form[@]}" "$address/index" | told 'answer["id"]')
}

read_job() { curl_api "$address/index/$job"; }

job_is() { # state count fate
  local found
  found=$(read_job | told 'answer["state"], *(f"{n} {fate}" for fate, n in answer["counts"].items() if n and fate != "received")')
  [[ $found =~ ^(succeeded|queued|running) ]] || { echo "the job has $found" >&2 && exit 1; }
  [[ $found == "$1" ]]
}

curl_api() { curl --silent --show-error --fail-with-body --max-time 60 "$@"; }

told() { # an expression over `answer`, the JSON on standard input
  docker exec --interactive "$api" python -c "import json, sys; answer = json.load(sys.stdin); print($1)"
}

main
