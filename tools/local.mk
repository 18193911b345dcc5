# litestream
