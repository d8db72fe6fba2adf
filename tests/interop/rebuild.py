"""rebuild.py TAR: Python's own tar writer makes the same bytes from names and contents alone."""

import io
import sys
import tarfile

original = open(sys.argv[1], "rb").read()
written = io.BytesIO()
with tarfile.open(fileobj=io.BytesIO(original)) as tar, tarfile.open(
    fileobj=written, mode="w", format=tarfile.USTAR_FORMAT
) as again:
    names = tar.getnames()
    for member in tar:
        plain = tarfile.TarInfo(member.name)
        plain.size = member.size
        again.addfile(plain, tar.extractfile(member))
    end = again.offset
# Two zero blocks end the archive; what follows pads it to a tape's record.
assert written.getvalue()[: end + 1024] == original, "the tar has other bytes"
assert not any(written.getvalue()[end:])
print("\n".join(names))
