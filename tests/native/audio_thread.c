/* An audio thread that is watched: preloaded into a Python process, it runs a PaStreamCallback on
 * a thread of its own and counts what that thread may not do while the callback runs: allocate,
 * lock, wait, wake another (post a semaphore), map memory, read or write. Other threads are left
 * alone. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

typedef int (*stream_callback)(const void *, void *, unsigned long, const void *, unsigned long, void *);

static __thread int armed;
static atomic_long allocations, frees, locks, waits, calls, posts;

/* dlsym may itself allocate, so the real functions are looked up before any thread is armed. */
static void *(*real_malloc)(size_t), *(*real_calloc)(size_t, size_t), *(*real_realloc)(void *, size_t);
static void (*real_free)(void *);
static int (*real_memalign)(void **, size_t, size_t);
static void *(*real_mmap)(void *, size_t, int, int, int, off_t);
static int (*real_lock)(pthread_mutex_t *), (*real_trylock)(pthread_mutex_t *);
static int (*real_cond_wait)(pthread_cond_t *, pthread_mutex_t *), (*real_sem_wait)(sem_t *);
static int (*real_sem_post)(sem_t *);
static ssize_t (*real_write)(int, const void *, size_t), (*real_read)(int, void *, size_t);

static char early[65536]; /* for dlsym's own calloc before the real one is known */
static size_t early_used;
static int looking_up;

__attribute__((constructor)) static void look_up(void) {
    if (looking_up) return;
    looking_up = 1;
    real_malloc = dlsym(RTLD_NEXT, "malloc");
    real_calloc = dlsym(RTLD_NEXT, "calloc");
    real_realloc = dlsym(RTLD_NEXT, "realloc");
    real_free = dlsym(RTLD_NEXT, "free");
    real_memalign = dlsym(RTLD_NEXT, "posix_memalign");
    real_mmap = dlsym(RTLD_NEXT, "mmap");
    real_lock = dlsym(RTLD_NEXT, "pthread_mutex_lock");
    real_trylock = dlsym(RTLD_NEXT, "pthread_mutex_trylock");
    real_cond_wait = dlsym(RTLD_NEXT, "pthread_cond_wait");
    real_sem_wait = dlsym(RTLD_NEXT, "sem_wait");
    real_sem_post = dlsym(RTLD_NEXT, "sem_post");
    real_write = dlsym(RTLD_NEXT, "write");
    real_read = dlsym(RTLD_NEXT, "read");
}

#define COUNT(counter) do { if (armed) atomic_fetch_add(&counter, 1); } while (0)
#define READY(function) do { if (!function) look_up(); } while (0)

void *malloc(size_t size) { READY(real_malloc); COUNT(allocations); return real_malloc(size); }
void *realloc(void *p, size_t size) { READY(real_realloc); COUNT(allocations); return real_realloc(p, size); }
void *calloc(size_t n, size_t size) {
    if (!real_calloc) {
        if (looking_up) {
            size_t at = (early_used + 15) & ~(size_t)15;
            early_used = at + n * size;
            return early_used <= sizeof early ? early + at : NULL;
        }
        look_up();
    }
    COUNT(allocations);
    return real_calloc(n, size);
}
void free(void *p) {
    if ((char *)p >= early && (char *)p < early + sizeof early) return;
    READY(real_free); COUNT(frees); real_free(p);
}
int posix_memalign(void **p, size_t a, size_t s) { READY(real_memalign); COUNT(allocations); return real_memalign(p, a, s); }
void *mmap(void *a, size_t l, int p, int f, int d, off_t o) { READY(real_mmap); COUNT(allocations); return real_mmap(a, l, p, f, d, o); }
int pthread_mutex_lock(pthread_mutex_t *m) { READY(real_lock); COUNT(locks); return real_lock(m); }
int pthread_mutex_trylock(pthread_mutex_t *m) { READY(real_trylock); COUNT(locks); return real_trylock(m); }
int pthread_cond_wait(pthread_cond_t *c, pthread_mutex_t *m) { READY(real_cond_wait); COUNT(waits); return real_cond_wait(c, m); }
int sem_wait(sem_t *s) { READY(real_sem_wait); COUNT(waits); return real_sem_wait(s); }
int sem_post(sem_t *s) { READY(real_sem_post); COUNT(posts); return real_sem_post(s); }
ssize_t write(int d, const void *b, size_t n) { READY(real_write); COUNT(calls); return real_write(d, b, n); }
ssize_t read(int d, void *b, size_t n) { READY(real_read); COUNT(calls); return real_read(d, b, n); }

struct job {
    stream_callback callback;
    const float *input;
    float *output;
    unsigned long frames;
    void *userdata;
    long blocks;
    long pause_ns; /* between blocks: gives a writer on another core time to publish */
};
static struct job job;
static atomic_int done;
static pthread_t thread;

static void *audio_thread(void *unused) {
    (void)unused;
    struct timespec pause = {0, job.pause_ns};
    for (long i = 0; i < job.blocks; i++) {
        armed = 1;
        job.callback(job.input, job.output, job.frames, NULL, 0, job.userdata);
        armed = 0;
        if (job.pause_ns) nanosleep(&pause, NULL);
    }
    atomic_store(&done, 1);
    return NULL;
}

/* A callback that does everything forbidden, to see that the watch sees. */
static int misbehave(const void *in, void *out, unsigned long frames, const void *t, unsigned long f, void *u) {
    (void)in; (void)out; (void)frames; (void)t; (void)f; (void)u;
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    volatile char *p = malloc(16);
    p[0] = 1;
    free((void *)p);
    pthread_mutex_lock(&mutex);
    pthread_mutex_unlock(&mutex);
    return (int)write(-1, "", 0) * 0;
}
uintptr_t watch_misbehaving(void) { return (uintptr_t)misbehave; }

void watch_start(uintptr_t callback, const float *in, float *out, unsigned long frames, uintptr_t userdata, long blocks, long pause_ns) {
    job = (struct job){(stream_callback)callback, in, out, frames, (void *)userdata, blocks, pause_ns};
    atomic_store(&done, 0);
    allocations = frees = locks = waits = calls = posts = 0;
    pthread_create(&thread, NULL, audio_thread, NULL);
}

/* Waits for the thread; 1 if it finished in time, 0 if it hangs. Called with or without the GIL. */
int watch_wait(double seconds) {
    struct timespec tick = {0, 1000000};
    for (double left = seconds; left > 0 && !atomic_load(&done); left -= 1e-3) nanosleep(&tick, NULL);
    if (!atomic_load(&done)) return 0;
    pthread_join(thread, NULL);
    return 1;
}

void watch_counts(long *out) {
    out[0] = allocations; out[1] = frees; out[2] = locks; out[3] = waits; out[4] = calls; out[5] = posts;
}
