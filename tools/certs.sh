#!/bin/sh
# Makes the certificates of the tests anew: tests/certs/*.pem and *.key, and
# the same texts as a module for bundled tests, tests/_certs.ts. Needs openssl.
# Nothing here is a secret: the keys are public and serve loopback tests only.
set -eu
cd "$(dirname "$0")/../tests/certs"
rm -f ./*.pem ./*.key
NAMES=DNS:localhost,IP:127.0.0.1,IP:::1
START=20200101000000Z
END=21200101000000Z
TMP=$(mktemp -d)
trap 'rm -rf "$TMP"' EXIT
: > "$TMP/index.txt"
cat > "$TMP/ca.cnf" <<EOF
[ca]
default_ca = tests
[tests]
database = $TMP/index.txt
new_certs_dir = $TMP
rand_serial = yes
unique_subject = no
default_md = sha256
policy = any
[any]
commonName = supplied
EOF

# sign <file> <common name> <end> <extensions> <openssl ca options…>
sign() {
  file=$1 name=$2 end=$3 extensions=$4
  shift 4
  openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes \
    -keyout "$TMP/$file.key" -out "$TMP/$file.csr" -subj "/CN=$name" 2>/dev/null
  printf '%b' "$extensions" > "$TMP/extensions"
  openssl ca -batch -notext -config "$TMP/ca.cnf" -startdate $START -enddate "$end" \
    -extfile "$TMP/extensions" -in "$TMP/$file.csr" -out "$file.pem" "$@" 2>/dev/null
}

# authority <file> <common name>
authority() {
  sign "$1" "$2" $END \
    "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\n" \
    -selfsign -keyfile "$TMP/$1.key"
}

# leaf <file> <common name> <end> <serverAuth|clientAuth> <alternative names>
leaf() {
  sign "$1" "$2" "$3" \
    "basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=$4\nsubjectAltName=$5\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n" \
    -cert ca.pem -keyfile "$TMP/ca.key"
  cp "$TMP/$1.key" .
}

authority ca "memcache tests CA"
authority other_ca "another CA"
leaf server localhost $END serverAuth "$NAMES"
leaf client client $END clientAuth DNS:client
sign self_signed localhost $END \
  "basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth\nsubjectAltName=$NAMES\nsubjectKeyIdentifier=hash\n" \
  -selfsign -keyfile "$TMP/self_signed.key"
cp "$TMP/self_signed.key" .
leaf wrong_host example.invalid $END serverAuth DNS:example.invalid
leaf expired localhost 20210101000000Z serverAuth "$NAMES"

{
  echo "/**"
  echo " * The certificates of tests/certs as texts, so that bundled tests have them too."
  echo " * Written by tools/certs.sh."
  echo " *"
  echo " * @module"
  echo " */"
  for file in *.pem *.key; do
    constant=$(echo "$file" | sed 's/\.pem$/_cert/; s/\.key$/_key/; s/ca_cert$/ca/' | tr a-z A-Z)
    echo
    echo "/** The text of \`$file\`. */"
    echo "export const $constant: string = \`$(cat "$file")"
    echo '`;'
  done
} > ../_certs.ts
