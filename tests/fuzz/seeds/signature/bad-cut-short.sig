untrusted comment: verify with k.pub
RWR4bjzwxB9HQ6zgZHZfyFM2DxP3CArlytmBJBmONwYx5y3E5LzfMvmFWtZlqH1xFEJ6Yoip68AhOZLs5noZpAZws5ndoeXMNgw=
{
  "format" : "gild-version-1",
  "image" : "demo/desktop",
  "version" : 1,
  "parent" : null,
  "virtual_size" : 300032,
  "chunk_size" : 65536,
  "index" : {
    "size" : 304,
    "sha256" : "cd908bcc2ed90997ef0e8d02ee37d55d1c42eaf01c286f37b27bb2333a96df74",
    "chunks" : [
      "cd908bcc2ed90997ef0e8d02ee37d55d1c42eaf01c286f37b27bb2333a96df74"
    ]
  },
  "data_size" : 234496,
  "new_size" : 234496,
  "created" : "2026-11-20T18:45:41Z",
  "note" : "Nächstes Büro"
}