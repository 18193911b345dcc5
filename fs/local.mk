# mount.litestream
