"""What every object of the cluster has beside its content."""

import msgspec

from swarmd.model.base import Record
from swarmd.model.ids import PROPOSED, Version
from swarmd.ports import Timestamp


class Meta(Record, frozen=True, kw_only=True, gc=False):
    """Versions and times of one object, stamped when its entry is applied."""

    #: index of the entry that last wrote any part of the object
    version: Version = PROPOSED
    #: index of the entry that last wrote its spec; a client's version is good if it is not older
    spec_version: Version = PROPOSED
    created_at: Timestamp = 0
    updated_at: Timestamp = 0

    def written(self, version: Version, now: Timestamp, *, spec: bool) -> "Meta":
        """After a write at log index `version`; `spec` tells whether the spec changed."""
        return msgspec.structs.replace(
            self,
            version=version,
            spec_version=version if spec else self.spec_version,
            created_at=self.created_at or now,
            updated_at=now,
        )
