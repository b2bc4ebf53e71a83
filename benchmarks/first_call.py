"""One start of a client: its job as JSON in the argument, what it took on stdout.

Nothing but what measures is imported before the client.
"""

import json
import resource
import sys
import time

job = json.loads(sys.argv[1])
began = time.perf_counter()
if job["client"] == "peer":
    from langchain_google_genai import GoogleGenerativeAIEmbeddings  # noqa: F401
else:
    from langchain_gemini_qdrant import GeminiEmbeddings  # noqa: F401
imported = time.perf_counter()

from machine import versions  # noqa: E402
from worker import FIRST, PACKAGES, embeddings_of  # noqa: E402

made = time.perf_counter()
embeddings = embeddings_of(job)
embeddings.embed_query(FIRST)
first = time.perf_counter()
used = resource.getrusage(resource.RUSAGE_SELF)
embeddings.embed_query("The next text finds the connection open.")
following = time.perf_counter()

result = {
    "import_s": imported - began,
    "first_s": first - made,
    "together_s": imported - began + first - made,
    "cpu_s": used.ru_utime + used.ru_stime,
    "next_s": following - first,
    "peak_bytes": used.ru_maxrss * (1 if sys.platform == "darwin" else 1024),
    "versions": versions(*PACKAGES),
}
sys.stdout.write(json.dumps(result) + "\n")
