# Made-up results in the layout of schema.csv: no patient, no network. The committed folder fixture/ is what
# write_fixture_results writes with its defaults, and a test checks that it still is.

#' Table 3 of the article, completed at 10-19 mm; for the fixture only.
categorize_fixture <- function(diameter_mm, aphe, washout, capsule) {
  extra <- washout + capsule
  category <- ifelse(
    aphe == 0, ifelse(extra == 2 | (extra == 1 & diameter_mm >= 20), 4, 3),
    ifelse(diameter_mm < 10, ifelse(extra == 0, 3, 4), ifelse(
      diameter_mm < 20, ifelse(extra == 0, 3, ifelse(washout == 1, 5, 4)), ifelse(extra == 0, 4, 5)
    ))
  )
  paste0("LR-", category)
}

make_fixture_results <- function(positives = 18, negatives = 9, folds = 3, levels = 11, seed = 7,
                                 variants = c("vgg16-adaptive", "vgg16-plain", "resnet50-adaptive", "resnet50-plain")) {
  set.seed(seed, "Mersenne-Twister", "Inversion", "Rejection")
  thresholds <- seq(0.1, 0.9, 0.1)
  total <- positives + negatives
  patients <- data.frame(
    patient_id = sprintf("P%03d", seq_len(total)), group = rep(c("positive", "negative"), c(positives, negatives)),
    fold = (seq_len(total) - 1) %% folds, n_lesions_ref = c(pmin(1 + rpois(positives, 0.6), 4), rep(0, negatives)),
    age_years = round(pmin(pmax(rnorm(total, 58.5, 11), 20), 90)), sex = sample(c("M", "F"), total, TRUE, c(0.7, 0.3)),
    scanner = sample(c("Achieva 3.0T", "Discovery MR 750 3.0T"), total, TRUE)
  )
  ids <- rep(patients$patient_id, patients$n_lesions_ref)
  n <- length(ids)
  effect <- setNames(rnorm(total), patients$patient_id)
  lesions <- data.frame(
    patient_id = ids, lesion_id = paste0("L", ave(seq_len(n), ids, FUN = seq_along)),
    fold = patients$fold[match(ids, patients$patient_id)],
    diameter_mm = round(pmin(pmax(exp(rnorm(n, 3.15, 0.75)), 4), 160), 1)
  )
  d <- lesions$diameter_mm
  lesions$aphe_ref <- rbinom(n, 1, 0.7)
  lesions$washout_ref <- rbinom(n, 1, plogis(-0.6 + 0.03 * d))
  lesions$capsule_ref <- rbinom(n, 1, plogis(-1.2 + 0.03 * d))
  lesions$category_true <- categorize_fixture(d, lesions$aphe_ref, lesions$washout_ref, lesions$capsule_ref)
  lesions$category_ref <- lesions$category_true
  lesions <- lesions[c(
    "patient_id", "lesion_id", "fold", "diameter_mm", "category_ref", "aphe_ref", "washout_ref", "capsule_ref",
    "category_true"
  )]

  # A lesion is found up to the highest probability in it; small lesions are dimmer.
  peak <- plogis(2.5 * log(d / 11) + 0.5 * effect[ids] + rnorm(n))
  voxels <- pmax(1, round(pi / 6 * d^3 / 25))
  best <- runif(n, 0.05, 0.2)
  spurious <- lapply(seq_len(total), function(i) data.frame(peak = rbeta(rpois(1, 0.5), 1.5, 3)))
  spurious_d <- lapply(spurious, function(s) round(runif(nrow(s), 4, 15), 1))
  at <- function(threshold) {
    found <- peak >= threshold
    share <- ifelse(found, 1 - best - 0.5 * pmax(0, threshold - 0.6), 0)
    excess <- ifelse(found, best + 0.5 * pmax(0, 0.6 - threshold), 0)
    tp <- round(share * voxels)
    list(found = found, tp = tp, fp = round(excess * voxels), fn = voxels - tp)
  }
  counts <- do.call(rbind, lapply(seq(0, 1, length.out = levels), function(threshold) {
    here <- at(threshold)
    sum_of <- function(x) vapply(patients$patient_id, function(p) sum(x[ids == p]), numeric(1), USE.NAMES = FALSE)
    extra <- mapply(function(s, size) sum(round(size[s$peak >= threshold]^3 / 50)), spurious, spurious_d)
    tp <- sum_of(here$tp)
    fn <- sum_of(here$fn)
    fp <- if (threshold == 0) 500000 - tp - fn else sum_of(here$fp) + extra
    data.frame(patients[c("patient_id", "group", "fold")], threshold, tp, fp, fn, tn = 500000 - tp - fp - fn)
  }))
  counts <- counts[order(counts$patient_id), ]
  dice <- counts[counts$tp + counts$fn > 0 & round(counts$threshold, 6) %in% round(thresholds, 6), ]
  dice <- data.frame(dice[c("patient_id", "fold", "threshold")], dice = 2 * dice$tp / (2 * dice$tp + dice$fp + dice$fn))
  lesion_detection <- do.call(rbind, lapply(thresholds, function(threshold) {
    found <- at(threshold)$found
    wrong <- do.call(rbind, lapply(seq_len(total), function(i) {
      keep <- which(spurious[[i]]$peak >= threshold)
      data.frame(patient_id = rep(patients$patient_id[i], length(keep)), diameter_mm = spurious_d[[i]][keep])
    }))
    rows <- rbind(
      data.frame(
        patient_id = ids, kind = "reference", lesion_id = lesions$lesion_id, diameter_mm = d,
        matched = as.integer(found)
      ),
      data.frame(
        patient_id = ids, kind = "predicted", lesion_id = paste0("C", lesions$lesion_id),
        diameter_mm = round(0.95 * d, 1), matched = 1
      )[found, ],
      data.frame(
        patient_id = wrong$patient_id, kind = rep("predicted", nrow(wrong)),
        lesion_id = sprintf("S%d", as.integer(ave(seq_len(nrow(wrong)), wrong$patient_id, FUN = seq_along))),
        diameter_mm = wrong$diameter_mm,
        matched = rep(0, nrow(wrong))
      )
    )
    row <- match(rows$patient_id, patients$patient_id)
    rows <- data.frame(threshold, patient_id = rows$patient_id, patients[row, c("group", "fold")], rows[-1])
    rows[order(rows$patient_id), ]
  }))
  patient_detection <- do.call(rbind, lapply(thresholds, function(threshold) {
    here <- lesion_detection[lesion_detection$threshold == threshold, ]
    has <- function(rows) as.integer(patients$patient_id %in% here$patient_id[rows])
    data.frame(
      threshold, patients[c("patient_id", "group", "fold")], has_reference = has(here$kind == "reference"),
      has_prediction = has(here$kind == "predicted"), detected = has(here$kind == "reference" & here$matched == 1)
    )
  }))
  skill <- c("vgg16-adaptive" = 2.2, "vgg16-plain" = 1.4, "resnet50-adaptive" = 2, "resnet50-plain" = 1.2)[variants]
  both <- lapply(variants, function(variant) {
    of_roi <- lapply(c("reference_roi", "automatic_roi"), function(roi) {
      detected <- roi == "reference_roi" | peak >= 0.5
      used <- if (roi == "reference_roi") d else round(0.95 * d, 1)
      probability <- vapply(c("aphe_ref", "washout_ref", "capsule_ref"), function(name) {
        round(plogis(skill[[variant]] * (2 * lesions[[name]] - 1) / 2 + 0.4 * effect[ids] + rnorm(n)), 4)
      }, numeric(n))
      present <- (probability >= 0.5) * 1
      category <- categorize_fixture(used, present[, 1], present[, 2], present[, 3])
      where <- data.frame(variant, roi, lesions[c("fold", "patient_id", "lesion_id")])
      features <- do.call(rbind, lapply(1:3, function(f) {
        data.frame(
          where, feature = c("aphe", "washout", "capsule")[f],
          reference = lesions[[paste0(c("aphe", "washout", "capsule")[f], "_ref")]],
          probability = ifelse(detected, probability[, f], NA)
        )
      }))
      categories <- data.frame(
        where, diameter_mm = ifelse(detected, used, NA), category_ref = lesions$category_ref,
        category_pred = ifelse(detected, category, NA), detected = as.integer(detected),
        reasons = ifelse(detected, "made up for tests", "missed")
      )
      list(features = features, categories = categories)
    })
    list(
      features = do.call(rbind, lapply(of_roi, `[[`, "features")),
      categories = do.call(rbind, lapply(of_roi, `[[`, "categories"))
    )
  })
  history <- function(stage, variant, fold, epochs, metrics, start) {
    rows <- expand.grid(metric = metrics, epoch = seq_len(epochs) - 1, stringsAsFactors = FALSE)
    value <- start * exp(-0.4 * rows$epoch) + 0.1 * startsWith(rows$metric, "val_") + rnorm(nrow(rows), 0, 0.02)
    data.frame(stage, variant, fold, epoch = rows$epoch, metric = rows$metric, value)
  }
  losses <- c("loss", "val_loss")
  finetune <- lapply(seq_len(folds) - 1, function(fold) history("finetune", NA, fold, 4, losses, 1))
  characterization <- unlist(lapply(variants, function(variant) {
    lapply(seq_len(folds) - 1, function(fold) history("characterization", variant, fold, 5, losses, 0.7))
  }), recursive = FALSE)
  list(
    run = data.frame(
      key = c(
        "run", "cohort", "profile", "commit", "dirty", "seed", "folds", "rules", "decision_threshold", "python",
        "tensorflow", "keras"
      ),
      value = c(
        "fixture", "virtual cohort", "fixture", "0000000", 0, seed, folds, "paper", 0.5, "3.11.2", "2.21.0", "3.15.1"
      )
    ),
    patients = patients, lesions = lesions, dice_by_threshold = dice,
    fold_thresholds = data.frame(
      fold = seq_len(folds) - 1, threshold_chosen = rep_len(c(0.5, 0.6), folds),
      dice_validation = round(runif(folds, 0.6, 0.8), 3)
    ),
    pixel_counts = counts, lesion_detection = lesion_detection, patient_detection = patient_detection,
    features = do.call(rbind, lapply(both, `[[`, "features")),
    categories = do.call(rbind, lapply(both, `[[`, "categories")),
    training_history = do.call(rbind, c(list(history("pretrain", NA, NA, 3, losses, 1.2)), finetune, characterization))
  )
}

write_results <- function(results, folder) {
  dir.create(folder, showWarnings = FALSE, recursive = TRUE)
  for (name in names(results)) {
    table <- results[[name]]
    table[] <- lapply(table, function(x) if (is.numeric(x)) ifelse(is.na(x), NA, sprintf("%.6g", x)) else x)
    table[] <- lapply(table, as.character)
    con <- file(file.path(folder, paste0(name, ".csv")), "wb")
    write.csv(table, con, row.names = FALSE, na = "", quote = FALSE, eol = "\n")
    close(con)
  }
  invisible(folder)
}

write_fixture_results <- function(folder, ...) write_results(make_fixture_results(...), folder)
