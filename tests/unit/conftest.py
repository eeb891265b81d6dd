"""Files of these tests are kept in memory."""

from tests.memory_folder import use_memory

use_memory()
