/* A VST3 plugin that fails on demand: a gain whose parameter `Fault` makes it hang, crash, return
 * NaN or be late, written against the format's public binary interface, without its SDK.
 *
 * Set when it is compiled:
 *   NAMES     of the plugins in the file, as C strings; one named CRASH does so when switched on
 *   CHANNELS  that each gives, 1 or 2. INPUTS  that each takes: as many, or 0 for an instrument
 *   LATENCY   frames that it delays the sound by, and reports
 *   ON_LOAD   a statement that runs when the file is loaded: CRASH, HANG or empty
 * Set when it runs: $FAULTY_FUSE, a file with an "h" for each hang and a "c" for each crash that is
 * left. Each takes the last byte away, or does not come about where that is none of its own.
 * Without the variable they never end.
 */
#define _GNU_SOURCE
#include <math.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CATEGORY (INPUTS ? "Fx|Tools" : "Instrument|Synth")
#define CRASH raise(SIGSEGV)
#define HANG for (;;) pause()

/* ---- the interface: results, structures, and the identifiers of what is asked for ---- */
enum { NO_INTERFACE = -1, OK = 0, REFUSED = 1, NOT_IMPLEMENTED = 3 };
enum { AUDIO = 0, INPUT = 0, FLOAT32 = 0, CAN_AUTOMATE = 1, IS_LIST = 2, DEFAULT_ACTIVE = 1 };
typedef char id16[16];
typedef int16_t text128[128];
typedef void (*method)(void); /* an interface is a pointer to a table of these */

#define ID(a, b, c, d) {WORD(a), WORD(b), WORD(c), WORD(d)}
#define WORD(w) (char)(w >> 24), (char)(w >> 16), (char)(w >> 8), (char)(w)
static const id16 UNKNOWN = ID(0x00000000u, 0x00000000u, 0xC0000000u, 0x00000046u);
static const id16 FACTORY = ID(0x7A4D811Cu, 0x52114A1Fu, 0xAED9D2EEu, 0x0B43BF9Fu);
static const id16 FACTORY2 = ID(0x0007B650u, 0xF24B4C0Bu, 0xA464EDB9u, 0xF00B2ABBu);
static const id16 BASE = ID(0x22888DDBu, 0x156E45AEu, 0x8358B348u, 0x08190625u);
static const id16 COMPONENT = ID(0xE831FF31u, 0xF2D54301u, 0x928EBBEEu, 0x25697802u);
static const id16 PROCESSOR = ID(0x42043F99u, 0xB7DA453Cu, 0xA569E79Du, 0x9AAEC33Du);
static const id16 CONTROLLER = ID(0xDCD7BBE3u, 0x7742448Du, 0xA874AACCu, 0x979C759Eu);

struct class_info { id16 id; int32_t cardinality; char category[32], name[64]; };
struct class_info2 {
    struct class_info base;
    uint32_t flags;
    char subcategories[128], vendor[64], version[64], sdk[64];
};
struct bus_info { int32_t media, direction, channels; text128 name; int32_t type; uint32_t flags; };
struct parameter_info {
    uint32_t id;
    text128 title, short_title, units;
    int32_t steps;
    double initial;
    int32_t unit_id, flags;
};
struct setup { int32_t mode, sample_size, frames_max; double sample_rate; };
struct buffers { int32_t channels; uint64_t silent; float **samples; };
struct process_data {
    int32_t mode, sample_size, frames, inputs, outputs;
    struct buffers *in, *out;
    struct changes **changes;
    void *out_changes, *in_events, *out_events, *context;
};
struct changes { /* parameters that move in this block */
    method unknown[3];
    int32_t (*count)(void *);
    struct queue **(*at)(void *, int32_t);
};
struct queue { /* one of them */
    method unknown[3];
    uint32_t (*id)(void *);
    int32_t (*count)(void *), (*point)(void *, int32_t, int32_t *, double *);
};
struct stream { /* bytes of a state */
    method unknown[3];
    int32_t (*read)(void *, void *, int32_t, int32_t *), (*write)(void *, void *, int32_t, int32_t *);
};

/* ---- parameters: normalised 0..1 and plain ---- */
enum { GAIN, FAULT, LATE, PARAMETERS };
enum { NONE, HANGS, CRASHES, GIVES_NAN, IS_LATE, FAULTS };
static const char *const FAULT_NAMES[FAULTS] = {"none", "hang", "crash", "nan", "late"};
static const struct { const char *title, *units; double low, high, initial; int32_t steps; }
TABLE[PARAMETERS] = {
    [GAIN] = {"Gain", "dB", -40.0, 20.0, 0.0, 0},
    [FAULT] = {"Fault", "", 0.0, FAULTS - 1, NONE, FAULTS - 1},
    [LATE] = {"Late", "ms", 0.0, 1000.0, 50.0, 0},
};

static double to_plain(uint32_t id, double unit) {
    double plain = TABLE[id].low + unit * (TABLE[id].high - TABLE[id].low);
    return TABLE[id].steps ? round(plain) : plain;
}
static double to_unit(uint32_t id, double plain) {
    return (plain - TABLE[id].low) / (TABLE[id].high - TABLE[id].low);
}
static void write_text(int16_t *to, const char *from) {
    size_t i = 0;
    do to[i] = from[i]; while (from[i++]);
}

/* ---- one instance: three interfaces of one object ---- */
struct plugin {
    const method *component, *processor, *controller;
    const char *name;
    int32_t references;
    double units[PARAMETERS];
    float delayed[CHANNELS][LATENCY + 1];
    uint32_t at;
};
#define OF(self, face) ((struct plugin *)((char *)(self) - offsetof(struct plugin, face)))

static int32_t ask(struct plugin *p, const char *id, void **found) {
    *found = NULL;
    if (!memcmp(id, UNKNOWN, 16) || !memcmp(id, BASE, 16) || !memcmp(id, COMPONENT, 16))
        *found = &p->component;
    else if (!memcmp(id, PROCESSOR, 16)) *found = &p->processor;
    else if (!memcmp(id, CONTROLLER, 16)) *found = &p->controller;
    else return NO_INTERFACE;
    p->references++;
    return OK;
}
static uint32_t release(struct plugin *p) {
    uint32_t left = (uint32_t)--p->references;
    if (!left) free(p);
    return left;
}
#define COUNTED(face) \
    static int32_t face##_ask(void *s, const char *id, void **found) { return ask(OF(s, face), id, found); } \
    static uint32_t face##_add(void *s) { return (uint32_t)++OF(s, face)->references; } \
    static uint32_t face##_release(void *s) { return release(OF(s, face)); }
COUNTED(component)
COUNTED(processor)
COUNTED(controller)
#define COUNTED_METHODS(face) (method)face##_ask, (method)face##_add, (method)face##_release

static int32_t nothing_to_do(void) { return OK; }
static int32_t not_implemented(void) { return NOT_IMPLEMENTED; }
#define NOTHING (method)nothing_to_do
#define MISSING (method)not_implemented

/* ---- component: buses and state ---- */
static int32_t channels_of(int32_t direction) { return direction == INPUT ? INPUTS : CHANNELS; }
static int32_t bus_count(void *s, int32_t media, int32_t direction) {
    (void)s;
    return media == AUDIO && channels_of(direction) > 0;
}
static int32_t bus_info(void *s, int32_t media, int32_t direction, int32_t index, struct bus_info *info) {
    if (index >= bus_count(s, media, direction)) return REFUSED;
    *info = (struct bus_info){AUDIO, direction, channels_of(direction), {0}, 0, DEFAULT_ACTIVE};
    write_text(info->name, "Main");
    return OK;
}
static int32_t set_active(void *s, uint8_t active) {
    if (active && !strcmp(OF(s, component)->name, "CRASH")) CRASH;
    memset(OF(s, component)->delayed, 0, sizeof OF(s, component)->delayed);
    return OK;
}
static int32_t set_state(void *s, struct stream **state) {
    double units[PARAMETERS];
    int32_t got = 0;
    (*state)->read(state, units, sizeof units, &got);
    if (got != sizeof units) return REFUSED;
    memcpy(OF(s, component)->units, units, sizeof units);
    return OK;
}
static int32_t get_state(void *s, struct stream **state) {
    return (*state)->write(state, OF(s, component)->units, sizeof OF(s, component)->units, NULL);
}
static const method component_methods[] = {
    COUNTED_METHODS(component), NOTHING /* initialize */, NOTHING /* terminate */,
    MISSING /* controller's class: it is this object */, NOTHING /* I/O mode */,
    (method)bus_count, (method)bus_info, MISSING /* routing */, NOTHING /* activate bus */,
    (method)set_active, (method)set_state, (method)get_state,
};

/* ---- processor: the sound and the faults ---- */
static uint64_t arrangement(int32_t direction) {
    return channels_of(direction) == 2 ? 3u : (uint64_t)channels_of(direction) << 19;
}
static int32_t set_arrangements(void *s, uint64_t *in, int32_t ins, uint64_t *out, int32_t outs) {
    (void)s;
    if (ins != (INPUTS > 0) || outs != 1 || *out != arrangement(!INPUT)) return REFUSED;
    return ins && *in != arrangement(INPUT) ? REFUSED : OK;
}
static int32_t get_arrangement(void *s, int32_t direction, int32_t index, uint64_t *found) {
    if (index >= bus_count(s, AUDIO, direction)) return REFUSED;
    *found = arrangement(direction);
    return OK;
}
static int32_t can_process(void *s, int32_t sample_size) { (void)s; return sample_size != FLOAT32; }
static uint32_t latency(void *s) { (void)s; return LATENCY; }

static int fuse_burns(int kind) {
    const char *path = getenv("FAULTY_FUSE");
    FILE *fuse = path ? fopen(path, "r+") : NULL;
    if (!fuse) return !path;
    int burns = !fseek(fuse, -1, SEEK_END) && fgetc(fuse) == kind;
    burns = burns && !ftruncate(fileno(fuse), ftell(fuse) - 1);
    fclose(fuse);
    return burns;
}
static void fail(int fault, double late_ms) {
    if (fault == HANGS && fuse_burns('h')) HANG;
    if (fault == CRASHES && fuse_burns('c')) CRASH;
    if (fault == IS_LATE) usleep((useconds_t)(late_ms * 1e3));
}
static int32_t process(void *s, struct process_data *data) {
    struct plugin *p = OF(s, processor);
    struct changes **changes = data->changes;
    for (int32_t i = 0; changes && i < (*changes)->count(changes); i++) {
        struct queue **queue = (*changes)->at(changes, i);
        uint32_t id = (*queue)->id(queue);
        int32_t offset, last = (*queue)->count(queue) - 1;
        double unit;
        if (id < PARAMETERS && last >= 0 && (*queue)->point(queue, last, &offset, &unit) == OK)
            p->units[id] = unit;
    }
    if (data->frames == 0 || data->outputs == 0) return OK;
    int fault = (int)to_plain(FAULT, p->units[FAULT]);
    fail(fault, to_plain(LATE, p->units[LATE]));
    float gain = fault == GIVES_NAN ? NAN : (float)pow(10.0, to_plain(GAIN, p->units[GAIN]) / 20.0);
    for (int32_t i = 0; i < data->frames; i++) {
        uint32_t oldest = (p->at + 1) % (LATENCY + 1); /* itself, where nothing is delayed */
        for (int c = 0; c < CHANNELS; c++) {
            p->delayed[c][p->at] = data->inputs ? gain * data->in->samples[c][i] : 0.0f;
            data->out->samples[c][i] = p->delayed[c][oldest];
        }
        p->at = oldest;
    }
    data->out->silent = 0;
    return OK;
}
static const method processor_methods[] = {
    COUNTED_METHODS(processor), (method)set_arrangements, (method)get_arrangement, (method)can_process,
    (method)latency, NOTHING /* set up */, NOTHING /* processing */, (method)process,
    NOTHING /* tail */,
};

/* ---- controller: the parameters ---- */
static int32_t parameter_count(void *s) { (void)s; return PARAMETERS; }
static int32_t parameter_info(void *s, int32_t i, struct parameter_info *info) {
    (void)s;
    if (i < 0 || i >= PARAMETERS) return REFUSED;
    *info = (struct parameter_info){
        .id = (uint32_t)i, .steps = TABLE[i].steps, .initial = to_unit((uint32_t)i, TABLE[i].initial),
        .flags = CAN_AUTOMATE | (TABLE[i].steps ? IS_LIST : 0)};
    write_text(info->title, TABLE[i].title);
    write_text(info->units, TABLE[i].units);
    return OK;
}
static int32_t value_text(void *s, uint32_t id, double unit, int16_t *text) {
    char number[32];
    (void)s;
    snprintf(number, sizeof number, "%.2f", to_plain(id, unit));
    write_text(text, id == FAULT ? FAULT_NAMES[(int)to_plain(id, unit)] : number);
    return OK;
}
static double plain_of(void *s, uint32_t id, double unit) { (void)s; return to_plain(id, unit); }
static double unit_of(void *s, uint32_t id, double plain) { (void)s; return to_unit(id, plain); }
static double get_unit(void *s, uint32_t id) { return OF(s, controller)->units[id]; }
static int32_t set_unit(void *s, uint32_t id, double unit) {
    if (id >= PARAMETERS) return REFUSED;
    OF(s, controller)->units[id] = unit;
    return OK;
}
static void *no_view(void) { return NULL; }
static const method controller_methods[] = {
    COUNTED_METHODS(controller), NOTHING /* initialize */, NOTHING /* terminate */,
    NOTHING /* the component's state */, NOTHING /* its own */, NOTHING /* its own */,
    (method)parameter_count, (method)parameter_info, (method)value_text, MISSING /* text to value */,
    (method)plain_of, (method)unit_of, (method)get_unit, (method)set_unit, NOTHING /* handler */,
    (method)no_view,
};

/* ---- factory ---- */
static const char *const CLASSES[] = {NAMES};

static int32_t factory_ask(void *s, const char *id, void **found) {
    int known = !memcmp(id, UNKNOWN, 16) || !memcmp(id, FACTORY, 16) || !memcmp(id, FACTORY2, 16);
    *found = known ? s : NULL;
    return known ? OK : NO_INTERFACE;
}
static uint32_t lives_on(void) { return 1; }
static int32_t class_count(void) { return sizeof CLASSES / sizeof *CLASSES; }
static int32_t class_info(void *s, int32_t i, struct class_info *info) {
    (void)s;
    if (i < 0 || i >= class_count()) return REFUSED;
    *info = (struct class_info){.cardinality = INT32_MAX, .category = "Audio Module Class"};
    strncpy(info->id, CLASSES[i], sizeof info->id);
    strncpy(info->name, CLASSES[i], sizeof info->name - 1);
    return OK;
}
static int32_t class_info2(void *s, int32_t i, struct class_info2 *info) {
    *info = (struct class_info2){.vendor = "afx-live tests", .version = "1.2.3"};
    strcpy(info->subcategories, CATEGORY);
    return class_info(s, i, &info->base);
}
static int32_t create(void *s, const char *class, const char *id, void **made) {
    (void)s;
    int32_t n = class_count() - 1;
    while (n > 0 && strncmp(class, CLASSES[n], sizeof(id16))) n--;
    struct plugin *p = malloc(sizeof *p);
    if (!p) abort();
    *p = (struct plugin){component_methods, processor_methods, controller_methods, CLASSES[n],
                         .references = 1};
    for (uint32_t i = 0; i < PARAMETERS; i++) p->units[i] = to_unit(i, TABLE[i].initial);
    int32_t result = ask(p, id, made);
    release(p);
    return result;
}
static const method factory_methods[] = {
    (method)factory_ask, (method)lives_on, (method)lives_on, MISSING /* of its vendor */,
    (method)class_count, (method)class_info, (method)create, (method)class_info2,
};

__attribute__((visibility("default"))) void *GetPluginFactory(void) {
    static const method *factory = factory_methods;
    return &factory;
}
__attribute__((visibility("default"))) uint8_t ModuleEntry(void *module) {
    (void)module;
    ON_LOAD;
    return 1;
}
__attribute__((visibility("default"))) uint8_t ModuleExit(void) { return 1; }
